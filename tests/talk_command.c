/* Subcommands of the program, told in a story: run on the story's store, with its clock, while its
 * servers live or after. What they print is the next reply's body. */
#include "talk.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24
#define READ_OK 200 /* what a body is answered with, so that patterns can be expected of it */

/* The program with the story's store; `words` and what they hold stay the caller's. */
_Noreturn static void run_program(struct story *story, char **words, size_t count, int output)
{
    char *arguments[WORDS_MAX + 8] = {(char *)(uintptr_t)story->options->server};
    size_t at = 1;
    for (size_t i = 0; i < count; i++) {
        arguments[at++] = words[i];
    }
    arguments[at++] = text_printf("--demo");
    arguments[at++] = text_printf("--store");
    arguments[at++] = story->store_url;
    for (size_t i = 0; story->server_environment[i] != NULL; i++) {
        putenv(story->server_environment[i]);
    }
    signal(SIGPIPE, SIG_DFL);
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(output, STDERR_FILENO) < 0 ||
        chdir(story->directory) != 0) {
        _exit(126);
    }
    close(output);
    execv(arguments[0], arguments);
    perror(arguments[0]);
    _exit(127);
}

static void take_output(struct text *said, int output)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(output, bytes, sizeof bytes)) > 0) {
        text_add(said, bytes, (size_t)got);
    }
    close(output);
}

static void set_reply(struct story *story, const struct text *body)
{
    story->reply = (struct reply){.status = READ_OK,
                                  .headers = text_copy("", 0),
                                  .body = text_copy(body->bytes, body->length),
                                  .body_length = body->length,
                                  .json = json_loadb(body->bytes, body->length, 0, NULL)};
}

void command_run(struct story *story, int expected, char **words, size_t count)
{
    int ends[2], status = 0;
    if (pipe(ends) != 0) {
        story_fail(story, "no pipe");
    }
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        run_program(story, words, count, ends[1]);
    }
    close(ends[1]);
    struct text said = {0};
    text_add(&said, "", 0);
    take_output(&said, ends[0]);
    waitpid(child, &status, 0);
    story_heard(story, "%s %s: %s", words[0], count > 1 ? words[1] : "", said.bytes);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != expected) {
        story_fail(story, "%s: expected exit code %d, got %d", words[0], expected,
                   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    }
    story->expectations++;
    set_reply(story, &said);
}

void say_command(struct story *story, const char *at)
{
    char *words[WORDS_MAX];
    size_t count = 0;
    int expected = atoi(take_word(&at));
    for (at = skip_blanks(at); *at != '\0' && count < WORDS_MAX; at = skip_blanks(at)) {
        words[count++] = expand_plain(story, take_word(&at));
    }
    if (count == 0) {
        story_fail(story, "command EXITCODE WORDS…");
    }
    command_run(story, expected, words, count);
}

void say_read(struct story *story, const char *at)
{
    char *path = text_printf("%s/%s", story->directory, expand_plain(story, take_word(&at)));
    int file = open(path, O_RDONLY);
    if (file < 0) {
        story_fail(story, "there is no %s", path);
    }
    struct text bytes = {0};
    text_add(&bytes, "", 0);
    take_output(&bytes, file);
    set_reply(story, &bytes);
}
