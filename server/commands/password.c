/* Reading a password that is to be set. Never from an argument, which others on the machine see.
 *
 * On a terminal it is asked for twice, without echo, and the terminal is put back as it was, also
 * when Ctrl-C is typed meanwhile: signals of the terminal are off with the echo, and count as
 * "nothing given". */
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "server/command.h"

#define PASSWORD_MIN 8
#define PASSWORD_MAX 128
#define LINE_BYTES 1024

struct secret {
    const char *password;
};

static const struct field secret_fields[] = {
    FIELD(secret, password, "password", REQUIRED, PASSWORD_MIN, PASSWORD_MAX, ""),
};
static const struct shape secret_shape = SHAPE(secret, secret_fields);

/* A line without its end; false: there is none, or it is too long. */
static bool read_line(FILE *in, char line[LINE_BYTES])
{
    if (fgets(line, LINE_BYTES, in) == NULL) {
        return false;
    }
    size_t length = strcspn(line, "\r\n");
    bool is_whole = line[length] != '\0' || feof(in) != 0;
    line[length] = '\0';
    return is_whole;
}

static bool ask(const struct command_run *run, const char *prompt, char line[LINE_BYTES])
{
    struct termios before, silent;
    if (tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    silent = before;
    silent.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
    bool is_silent = tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent) == 0;
    fprintf(run->complaints, "%s: ", prompt);
    fflush(run->complaints);
    bool is_read = is_silent && read_line(stdin, line);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fprintf(run->complaints, "\n");
    return is_read && strchr(line, '\003') == NULL;
}

static enum err bind_password(struct command_run *run, const char *line, const char **out)
{
    struct secret secret;
    struct document document;
    struct fault fault;
    struct strbuf text;
    strbuf_init(&text, 0);
    strbuf_add_literal(&text, "{\"password\":");
    strbuf_add_json(&text, line);
    strbuf_add_char(&text, '}');
    enum err err =
        document_parse(&document, run->call.arena, strbuf_text(&text), text.length, &fault);
    if (err == ERR_OK) {
        err = document_bind(&document, &secret_shape, run->call.arena, &secret, &fault);
        *out = secret.password;
    }
    strbuf_free(&text);
    return err;
}

int command_read_password(struct command_run *run, const char **out)
{
    char line[LINE_BYTES] = "", again[LINE_BYTES] = "";
    bool is_terminal = isatty(STDIN_FILENO) != 0;
    bool is_read = is_terminal ? ask(run, "Password", line) && ask(run, "Again", again)
                               : read_line(stdin, line);
    if (!is_read) {
        return command_complain(run, COMMAND_USAGE, "no password was given");
    }
    if (is_terminal && strcmp(line, again) != 0) {
        return command_complain(run, COMMAND_USAGE, "the two are not the same");
    }
    if (bind_password(run, line, out) != ERR_OK) {
        return command_complain(run, COMMAND_USAGE, "a password has %d to %d characters",
                                PASSWORD_MIN, PASSWORD_MAX);
    }
    return COMMAND_DONE;
}
