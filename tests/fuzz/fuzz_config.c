/* The configuration file. Either it is refused with a sentence, or everything in it can be printed
 * again and the printed secrets are masked. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "server/config.h"

static void write_file(const char *path, const uint8_t *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    assert(file != NULL && fwrite(data, 1, size, file) == size);
    assert(fclose(file) == 0);
}

/* The text of all options in force. Caller frees. */
static char *print(const struct settings *settings)
{
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);
    assert(out != NULL);
    settings_print(settings, out);
    assert(fclose(out) == 0);
    return text;
}

static void check(const struct settings *settings, const char *key)
{
    char *text = print(settings);
    assert(strstr(text, "\n[server]\n") != NULL);
    assert(strstr(text, key) == NULL); /* of token_keys; 32 characters or more */
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char path[] = "/tmp/consultd-fuzz-XXXXXX";
    int file = mkstemp(path);
    assert(file >= 0);
    close(file);
    write_file(path, data, size);
    char *arguments[] = {(char[]){"consultd"}, (char[]){"--check-config"}, (char[]){"--config"},
                         path, NULL};
    struct settings *settings;
    enum errand errand;
    char why[256];
    if (settings_load(4, arguments, &settings, &errand, why)) {
        assert(errand == ERRAND_CHECK_CONFIG && settings->key_count > 0);
        check(settings, settings->keys[0]);
        settings_free(settings);
    } else {
        assert(settings == NULL && why[0] != '\0');
    }
    unlink(path);
    memset(path + strlen(path) - 6, 'X', 6);
    return 0;
}
