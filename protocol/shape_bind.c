/* JSON to structs, by the tables, with every limit of contract 1 (Strings, Lists as text, Phone,
 * sex and others) applied on the way: a handler gets values that are already sound.
 *
 * One function per kind of field, chosen by a table. Each gets a value that is there (absent ones
 * never arrive), checks it, and puts it into its member of the struct; all memory is the arena's.
 * The first violation ends the binding. Its fault names the field by path ("answers[1].score"):
 * `prefix` is the path to the object being bound, "" for the request itself.
 *
 * What must hold: nothing that was sent goes into a fault. Any thread; nothing of the document is
 * kept: the values of a text that is parsed on the way are part of it, in its arena. */
#include "protocol/json.h"

#include "protocol/eight.h"
#include "protocol/shape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define NO_INDEX SIZE_MAX
#define REAL_WHOLE_MAX 9007199254740992.0 /* 2^53: beyond, a double skips whole numbers */

struct binding {
    struct arena *arena;  /* of the record */
    struct arena *parsed; /* of the document */
    struct fault *fault;
    const char *prefix;
};

/* A piece of text that is not NUL-terminated. */
struct span {
    const char *text;
    size_t length;
};

/* Returns `err`, blaming the field, or one item of it. */
static enum err refuse(const struct binding *binding, enum err err, const struct field *field,
                       size_t index)
{
    struct fault *fault = binding->fault;
    *fault = (struct fault){.after_ms = 0};
    if (index == NO_INDEX) {
        snprintf(fault->field, sizeof(fault->field), "%s%s", binding->prefix, field->name);
    } else {
        snprintf(fault->field, sizeof(fault->field), "%s%s[%zu]", binding->prefix, field->name,
                 index);
    }
    return err;
}

/* ---- Texts -------------------------------------------------------------------------------- */

/* The blanks that are trimmed: those of ASCII, U+00A0 and the ideographic U+3000. */
static const struct span blanks[] = {
    {" ", 1},  {"\t", 1}, {"\n", 1},       {"\v", 1},
    {"\f", 1}, {"\r", 1}, {"\xC2\xA0", 2}, {"\xE3\x80\x80", 3},
};

static bool starts_with(struct span text, struct span start)
{
    return text.length >= start.length && memcmp(text.text, start.text, start.length) == 0;
}

/* The length of the blank that the text starts with, 0 if none. */
static size_t blank_at_start(struct span text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(blanks); i++) {
        if (starts_with(text, blanks[i])) {
            return blanks[i].length;
        }
    }
    return 0;
}

/* The length of the blank that the text ends with, 0 if none. */
static size_t blank_at_end(struct span text)
{
    for (size_t i = 0; i < ARRAY_LENGTH(blanks); i++) {
        size_t length = blanks[i].length;
        if (text.length >= length &&
            starts_with((struct span){text.text + text.length - length, length}, blanks[i])) {
            return length;
        }
    }
    return 0;
}

static bool is_visible_byte(char byte)
{
    return byte > ' ' && byte <= '~';
}

/* The text of a JSON string without blanks around it. Most texts begin and end with a byte that
 * is no part of any blank. */
static struct span trimmed(const struct json *value)
{
    struct span text = {value->text, value->length};
    while (text.length > 0 && !is_visible_byte(text.text[0])) {
        size_t blank = blank_at_start(text);
        text.text += blank;
        text.length -= blank;
        if (blank == 0) {
            break;
        }
    }
    while (text.length > 0 && !is_visible_byte(text.text[text.length - 1])) {
        size_t blank = blank_at_end(text);
        text.length -= blank;
        if (blank == 0) {
            break;
        }
    }
    return text;
}

/* What a walk through a text finds. */
struct measure {
    int64_t code_points;
    bool has_control; /* C0, DEL or C1 */
};

static bool are_eight_visible(const char *text)
{
    uint64_t bytes = eight_load(text);
    return ((bytes | eight_below_blank(bytes) | eight_equal(bytes, 0x7F)) & EIGHT_TOPS) == 0;
}

/* The bytes of a character by its first one; the parser has seen that texts are sound. */
static size_t character_length(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

/* Walks through a text once, eight bytes at a time while they are plain ASCII. C1 is C2 80 to C2
 * 9F in UTF-8; newlines and tabs are no control characters in MULTILINE texts. */
static struct measure measure(struct span text, bool is_multiline)
{
    struct measure found = {.code_points = 0};
    size_t i = 0;
    while (i < text.length) {
        const char *at = text.text + i;
        unsigned char byte = (unsigned char)*at;
        if (byte < 0x80 && text.length - i >= 8 && are_eight_visible(at)) {
            found.code_points += 8;
            i += 8;
            continue;
        }
        bool is_allowed = is_multiline && (byte == '\n' || byte == '\t');
        found.has_control |= !is_allowed && (byte < 0x20 || byte == 0x7F);
        found.has_control |= byte == 0xC2 && (unsigned char)at[1] < 0xA0;
        found.code_points++;
        i += character_length(byte);
    }
    return found;
}

/* Whether `text` is one of `choices`, which are parted by '|'. */
static bool is_choice(const char *choices, struct span text)
{
    while (true) {
        size_t length = strcspn(choices, "|");
        if (length == text.length && memcmp(choices, text.text, length) == 0) {
            return true;
        }
        if (choices[length] == '\0') {
            return false;
        }
        choices += length + 1;
    }
}

static bool is_visible(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (!is_visible_byte(text.text[i])) {
            return false;
        }
    }
    return true;
}

static bool is_digits(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        if (text.text[i] < '0' || text.text[i] > '9') {
            return false;
        }
    }
    return true;
}

/* YYYYMMDD or YYYY-MM-DD, by form only. */
static bool is_date(struct span text)
{
    const char *form = text.length == 8 ? "00000000" : "0000-00-00";
    for (size_t i = 0; i < text.length && i < strlen(form); i++) {
        bool is_digit = text.text[i] >= '0' && text.text[i] <= '9';
        if (form[i] == '0' ? !is_digit : text.text[i] != form[i]) {
            return false;
        }
    }
    return text.length == strlen(form);
}

/* The part of a URL behind http:// or https://, in either case; empty for other schemes. */
static struct span after_scheme(struct span text)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < ARRAY_LENGTH(schemes); i++) {
        size_t length = strlen(schemes[i]);
        size_t same = 0;
        while (same < length && same < text.length &&
               (text.text[same] == schemes[i][same] ||
                text.text[same] + ('a' - 'A') == schemes[i][same])) {
            same++;
        }
        if (same == length) {
            return (struct span){text.text + length, text.length - length};
        }
    }
    return (struct span){text.text, 0};
}

static bool is_url(struct span text)
{
    for (size_t i = 0; i < text.length; i++) {
        struct span rest = {text.text + i, text.length - i};
        if (!is_visible_byte(*rest.text) && blank_at_start(rest) > 0) {
            return false;
        }
    }
    /* The host stands between an optional user@ and a port, path, query or fragment. */
    struct span rest = after_scheme(text);
    size_t host = 0;
    for (size_t i = 0; i < rest.length && memchr("/?#\\", rest.text[i], 4) == NULL; i++) {
        if (rest.text[i] == '@') {
            host = i + 1;
        }
    }
    return host < rest.length && memchr("/?#\\:", rest.text[host], 5) == NULL;
}

/* What texts of each format must be; phones are numbers. */
static const struct {
    bool (*is_sound)(struct span text);
    enum err err;
} formats[] = {
    [FORMAT_URL] = {is_url, ERR_INVALID_URL},
    [FORMAT_VISIBLE] = {is_visible, ERR_INVALID_VALUE},
    [FORMAT_DIGITS] = {is_digits, ERR_INVALID_VALUE},
    [FORMAT_DATE] = {is_date, ERR_INVALID_BIRTHDAY},
};

static enum err check_text(const struct field *field, struct span text, int64_t min, int64_t max)
{
    assert(field->format < ARRAY_LENGTH(formats) && field->format != FORMAT_PHONE);
    struct measure found = measure(text, (field->flags & MULTILINE) != 0);
    if (found.has_control) {
        return ERR_INVALID_TEXT;
    }
    if (max > 0 && found.code_points > max) {
        return ERR_TOO_LONG;
    }
    if (field->choices != NULL && !is_choice(field->choices, text)) {
        return ERR_INVALID_VALUE;
    }
    if (field->format != FORMAT_NONE && !formats[field->format].is_sound(text)) {
        return formats[field->format].err;
    }
    return found.code_points < min ? ERR_INVALID_VALUE : ERR_OK;
}

/* Checks and copies one text, a field's or (with an index) a list item's. */
static enum err take_text(struct binding *binding, const struct field *field,
                          const struct json *value, size_t index, const char **out)
{
    if (value->kind != JSON_KIND_TEXT) {
        return refuse(binding, ERR_INVALID_TYPE, field, index);
    }
    struct span text = trimmed(value);
    bool is_item = index != NO_INDEX;
    enum err err =
        check_text(field, text, is_item ? 1 : field->min, is_item ? field->item_max : field->max);
    if (err != ERR_OK) {
        return refuse(binding, err, field, index);
    }
    *out = arena_text(binding->arena, text.text, text.length);
    return ERR_OK;
}

static enum err bind_text(struct binding *binding, const struct field *field,
                          const struct json *value, void *member)
{
    return take_text(binding, field, value, NO_INDEX, member);
}

/* ---- Ids, numbers, bools ------------------------------------------------------------------ */

static enum err take_oid(struct binding *binding, const struct field *field,
                         const struct json *value, size_t index, struct oid *out)
{
    if (value->kind != JSON_KIND_TEXT) {
        return refuse(binding, ERR_INVALID_TYPE, field, index);
    }
    struct span text = trimmed(value);
    if (!oid_parse(text.text, text.length, out)) {
        return refuse(binding, ERR_INVALID_ID, field, index);
    }
    return ERR_OK;
}

static enum err bind_oid(struct binding *binding, const struct field *field,
                         const struct json *value, void *member)
{
    return take_oid(binding, field, value, NO_INDEX, member);
}

/* Reads plain digits with an optional '-': ERR_INVALID_TYPE for anything else, ERR_OUT_OF_RANGE
 * for what no int64_t holds. */
static enum err parse_number(struct span text, int64_t *out)
{
    bool is_negative = text.length > 0 && text.text[0] == '-';
    struct span digits = {text.text + (is_negative ? 1 : 0), text.length - (is_negative ? 1 : 0)};
    if (digits.length == 0 || !is_digits(digits)) {
        return ERR_INVALID_TYPE;
    }
    int64_t number = 0;
    for (size_t i = 0; i < digits.length; i++) {
        int digit = digits.text[i] - '0';
        if (number > (INT64_MAX - digit) / 10) {
            return ERR_OUT_OF_RANGE;
        }
        number = number * 10 + digit;
    }
    *out = is_negative ? -number : number;
    return ERR_OK;
}

/* 1.0 and 1e2 are whole numbers, too: JSON knows one kind only, and some languages write them so. */
static enum err read_real(double real, int64_t *out)
{
    if (real <= -REAL_WHOLE_MAX || real >= REAL_WHOLE_MAX) {
        return ERR_OUT_OF_RANGE;
    }
    *out = (int64_t)real;
    return (double)*out == real ? ERR_OK : ERR_INVALID_TYPE;
}

static enum err read_number(const struct field *field, const struct json *value, int64_t *out)
{
    if (value->kind == JSON_KIND_INTEGER) {
        *out = value->integer;
        return ERR_OK;
    }
    if (value->kind == JSON_KIND_REAL) {
        return read_real(value->real, out);
    }
    if (value->kind == JSON_KIND_TEXT && (field->flags & LOOSE) != 0) {
        return parse_number(trimmed(value), out);
    }
    return ERR_INVALID_TYPE;
}

static enum err check_number(const struct field *field, int64_t number)
{
    if (field->format == FORMAT_PHONE) {
        return number < PHONE_MIN || number > PHONE_MAX ? ERR_INVALID_PHONE : ERR_OK;
    }
    bool has_limits = field->min != 0 || field->max != 0;
    if (has_limits && (number < field->min || number > field->max)) {
        return ERR_OUT_OF_RANGE;
    }
    return number == NUMBER_ABSENT ? ERR_OUT_OF_RANGE : ERR_OK;
}

static enum err bind_number(struct binding *binding, const struct field *field,
                            const struct json *value, void *member)
{
    int64_t number = 0;
    enum err err = read_number(field, value, &number);
    if (err != ERR_OK && field->format == FORMAT_PHONE && value->kind == JSON_KIND_TEXT) {
        err = ERR_INVALID_PHONE;
    }
    if (err == ERR_OK) {
        err = check_number(field, number);
    }
    if (err != ERR_OK) {
        return refuse(binding, err, field, NO_INDEX);
    }
    *(int64_t *)member = number;
    return ERR_OK;
}

static enum err bind_bool(struct binding *binding, const struct field *field,
                          const struct json *value, void *member)
{
    if (value->kind != JSON_KIND_BOOL) {
        return refuse(binding, ERR_INVALID_TYPE, field, NO_INDEX);
    }
    *(bool *)member = value->is_true;
    return ERR_OK;
}

/* ---- Lists and objects -------------------------------------------------------------------- */

/* The array behind a list's value: the value itself, or what a LOOSE text holds. */
static enum err read_array(struct binding *binding, const struct field *field,
                           const struct json *value, const struct json **out)
{
    const struct json *array = value;
    if (value->kind == JSON_KIND_TEXT && (field->flags & LOOSE) != 0) {
        struct span text = trimmed(value);
        enum err err = json_parse(binding->parsed, text.text, text.length, &array, binding->fault);
        if (err != ERR_OK) {
            return refuse(binding, err == ERR_TOO_DEEP ? err : ERR_INVALID_TYPE, field, NO_INDEX);
        }
    }
    if (array->kind != JSON_KIND_ARRAY) {
        return refuse(binding, ERR_INVALID_TYPE, field, NO_INDEX);
    }
    if (field->max > 0 && array->length > field->max) {
        return refuse(binding, ERR_TOO_MANY, field, NO_INDEX);
    }
    if ((field->flags & REQUIRED) != 0 && array->length == 0) {
        return refuse(binding, ERR_MISSING_FIELD, field, NO_INDEX);
    }
    *out = array;
    return ERR_OK;
}

static enum err bind_texts(struct binding *binding, const struct field *field,
                           const struct json *array, void *member)
{
    size_t count = array->length;
    const char **items = arena_array(binding->arena, count, sizeof(*items));
    const struct json *item = array->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        TRY(take_text(binding, field, item, i, &items[i]));
    }
    *(struct text_list *)member = (struct text_list){items, count};
    return ERR_OK;
}

static enum err bind_oids(struct binding *binding, const struct field *field,
                          const struct json *array, void *member)
{
    size_t count = array->length;
    struct oid *items = arena_array(binding->arena, count, sizeof(*items));
    const struct json *item = array->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        TRY(take_oid(binding, field, item, i, &items[i]));
    }
    *(struct oid_list *)member = (struct oid_list){items, count};
    return ERR_OK;
}

static enum err bind_object(struct binding *binding, const struct json *object,
                            const struct shape *shape, void *record);

static enum err bind_objects(struct binding *binding, const struct field *field,
                             const struct json *array, void *member)
{
    size_t count = array->length;
    char *items = arena_array(binding->arena, count, field->sub->size);
    const struct json *item = array->first;
    for (size_t i = 0; i < count; i++, item = item->next) {
        if (item->kind != JSON_KIND_OBJECT) {
            return refuse(binding, ERR_INVALID_TYPE, field, i);
        }
        struct binding inner = *binding;
        inner.prefix = arena_format(binding->arena, "%s%s[%zu].", binding->prefix, field->name, i);
        TRY(bind_object(&inner, item, field->sub, items + i * field->sub->size));
    }
    *(struct object_list *)member = (struct object_list){items, count};
    return ERR_OK;
}

static enum err bind_nested(struct binding *binding, const struct field *field,
                            const struct json *value, void *member)
{
    if (value->kind != JSON_KIND_OBJECT) {
        return refuse(binding, ERR_INVALID_TYPE, field, NO_INDEX);
    }
    struct binding inner = *binding;
    inner.prefix = arena_format(binding->arena, "%s%s.", binding->prefix, field->name);
    void *record = arena_alloc(binding->arena, field->sub->size);
    TRY(bind_object(&inner, value, field->sub, record));
    memcpy(member, &record, sizeof record);
    return ERR_OK;
}

/* One function per kind that a request can hold. Those of lists get the array. */
static const struct {
    enum err (*bind)(struct binding *binding, const struct field *field, const struct json *value,
                     void *member);
    bool is_list;
} binders[] = {
    [KIND_OID] = {bind_oid, false},        [KIND_TEXT] = {bind_text, false},
    [KIND_NUMBER] = {bind_number, false},  [KIND_BOOL] = {bind_bool, false},
    [KIND_TEXT_LIST] = {bind_texts, true}, [KIND_OID_LIST] = {bind_oids, true},
    [KIND_OBJECT] = {bind_nested, false},  [KIND_OBJECT_LIST] = {bind_objects, true},
};

static enum err bind_present(struct binding *binding, const struct field *field,
                             const struct json *value, void *member)
{
    assert(field->kind < ARRAY_LENGTH(binders) && binders[field->kind].bind != NULL);
    if (binders[field->kind].is_list) {
        TRY(read_array(binding, field, value, &value));
    }
    return binders[field->kind].bind(binding, field, value, member);
}

/* null, and a text of nothing but blanks, are as good as nothing. */
static bool is_absent(const struct json *value)
{
    return value == NULL || value->kind == JSON_KIND_NULL ||
           (value->kind == JSON_KIND_TEXT && trimmed(value).length == 0);
}

static enum err check_one_of(struct binding *binding, const struct shape *shape, const void *record)
{
    unsigned given = 0;
    for (unsigned i = shape->one_of_from; i < shape->one_of_to; i++) {
        given += field_is_absent(&shape->fields[i], record) ? 0 : 1;
    }
    if (shape->one_of_from == shape->one_of_to || given == 1) {
        return ERR_OK;
    }
    *binding->fault = (struct fault){.after_ms = 0};
    return ERR_EXACTLY_ONE_CONTENT;
}

static enum err bind_object(struct binding *binding, const struct json *object,
                            const struct shape *shape, void *record)
{
    memset(record, 0, shape->size);
    for (size_t i = 0; i < shape->count; i++) {
        const struct field *field = &shape->fields[i];
        void *member = (char *)record + field->offset;
        if (field->kind == KIND_NUMBER) {
            *(int64_t *)member = NUMBER_ABSENT;
        }
        if ((field->flags & (SECRET | VIEW)) != 0) {
            continue; /* not a client's to give */
        }
        const struct json *value = json_member(object, field->name);
        if (!is_absent(value)) {
            TRY(bind_present(binding, field, value, member));
        } else if ((field->flags & REQUIRED) != 0) {
            return refuse(binding, ERR_MISSING_FIELD, field, NO_INDEX);
        }
    }
    return check_one_of(binding, shape, record);
}

enum err document_bind(const struct document *document, const struct shape *shape,
                       struct arena *arena, void *record, struct fault *fault)
{
    struct binding binding = {arena, document->arena, fault, ""};
    return bind_object(&binding, document->root, shape, record);
}
