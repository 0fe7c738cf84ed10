/* Runs a fuzz target over the files of the folders it is given: what was found once stays found,
 * in every run of the tests, without a fuzzer. A folder that is not there holds nothing.
 * Last line: "N passed" (an input that fails ends the process, its name is the last one said). */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define PATH_BYTES 4096

/* The file's bytes in memory of exactly that size, so that reading past them is found. */
static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    long length = ftell(file);
    rewind(file);
    *size = length > 0 ? (size_t)length : 0;
    uint8_t *bytes = malloc(*size > 0 ? *size : 1);
    if (bytes == NULL || fread(bytes, 1, *size, file) != *size) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    fclose(file);
    return bytes;
}

static void replay_file(const char *path)
{
    fprintf(stderr, "%s\n", path);
    size_t size;
    uint8_t *bytes = read_file(path, &size);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

static unsigned replay_folder(const char *path)
{
    unsigned count = 0;
    DIR *folder = opendir(path);
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (entry->d_name[0] != '.') {
            char full[PATH_BYTES];
            snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
            replay_file(full);
            count++;
        }
    }
    if (folder != NULL) {
        closedir(folder);
    }
    return count;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    for (int i = 1; i < argc; i++) {
        count += replay_folder(argv[i]);
    }
    printf("%u passed\n", count);
    return count > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
