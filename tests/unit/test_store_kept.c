/* What a hopeful run keeps in memory is what SQLite would have made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "protocol/arena.h"
#include "protocol/strbuf.h"
#include "support_store.h"
#include "support_vfs.h"

#include <sqlite3.h>

#define STEPS 4000
#define RUN_STEPS 25
#define CHATS 3

static struct store_fixture *f;
static uint32_t random_state;

static uint32_t any(uint32_t below)
{
    random_state = random_state * 1664525U + 1013904223U;
    return (random_state >> 8) % below;
}

static int setup(void **state)
{
    (void)state;
    f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    store_fixture_free(f);
    return 0;
}

static void insert_chat(uint32_t number)
{
    struct chat chat;
    memset(&chat, 0, sizeof chat);
    chat.id = oid_number(number);
    chat.type = "01";
    chat.doctor_id = oid_number(500);
    chat.last_seq = 1;
    assert_int_equal(store_insert(f->session, COLLECTION_CHATS, &chat), ERR_OK);
}

static struct chat read_chat(uint32_t number)
{
    struct chat chat;
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_CHATS, oid_number(number), &chat),
                     ERR_OK);
    return chat;
}

static enum err set_seq(uint32_t number, int64_t seq)
{
    struct change change = SET(chat, last_seq, seq);
    return store_update(f->session, f->arena, COLLECTION_CHATS, oid_number(number), NULL, 0,
                        &change, 1, NULL);
}

static void insert_user(uint32_t number)
{
    assert_int_equal(insert_user_in(f->session, number), ERR_OK);
}

/* ---- The same as SQL ----------------------------------------------------------------------- */

static const char *any_text(void)
{
    return any(4) == 0 ? NULL : nasty_texts[any((uint32_t)nasty_text_count)];
}

static int64_t any_number(void)
{
    return any(5) == 0 ? NUMBER_ABSENT : (int64_t)any(6);
}

static struct timestamp any_time(void)
{
    return (struct timestamp){any(4) == 0 ? 0 : 1000 + (int64_t)any(5)};
}

static struct oid any_id(void)
{
    return any(4) == 0 ? OID_NONE : oid_number(1 + any(3));
}

/* At most two. */
static struct oid_list any_ids(void)
{
    static struct oid ids[2];
    ids[0] = oid_number(1 + any(3));
    ids[1] = oid_number(4 + any(3));
    return (struct oid_list){.items = ids, .count = any(3)};
}

static enum compare any_compare(bool is_absent)
{
    static const enum compare all[] = {IS, IS_NOT, BELOW, AT_MOST, ABOVE, AT_LEAST};
    return all[any(is_absent ? 2 : (uint32_t)ARRAY_LENGTH(all))];
}

static struct condition any_condition(void)
{
    struct oid id = any_id();
    const char *text = any_text();
    int64_t number = any_number();
    struct timestamp time = any_time();
    switch (any(7)) {
    case 6:
        return WHERE(chat, last_msg_id, any_compare(oid_is_none(id)), id);
    case 5:
        return any(2) == 0 ? WHERE_ABSENT(chat, deadline) : WHERE_ABSENT(chat, last_msg_content);
    case 0:
        return WHERE(chat, counted_ids, any(2) == 0 ? HOLDS : LACKS, oid_number(1 + any(3)));
    case 1:
        return WHERE(chat, last_msg_content, any_compare(text == NULL), text);
    case 2:
        return WHERE(chat, user_total, any_compare(number == NUMBER_ABSENT), number);
    case 3:
        return WHERE(chat, deadline, any_compare(time.ms == 0), time);
    default:
        return WHERE(chat, status, any(2) == 0 ? IS : IS_NOT, any(2) == 0);
    }
}

static size_t any_changes(struct change changes[10])
{
    size_t count = 0;
    changes[count++] = any(2) == 0 ? SET(chat, status, any(2) == 0) : UNSET(chat, status);
    changes[count++] = INC(chat, user_total, (int64_t)any(3) - 1);
    changes[count++] =
        any(3) == 0 ? UNSET(chat, last_msg_content) : SET(chat, last_msg_content, any_text());
    changes[count++] = SET(chat, last_msg_id, any_id());
    switch (any(12)) {
    case 0:
        changes[count++] = UNSET(chat, counted_ids);
        break;
    case 1:
        changes[count++] = SET_IDS(chat, counted_ids, any_ids());
        break;
    default:
        changes[count++] = PUSH_LAST(chat, counted_ids, oid_number(1 + any(3)));
    }
    if (any(2) == 0) {
        changes[count++] = MAX(chat, rev, (int64_t)any(9));
        changes[count++] = MAX(chat, last_msg_time, ((struct timestamp){1000 + (int64_t)any(9)}));
    }
    changes[count++] = any(3) == 0 ? UNSET(chat, deadline) : SET(chat, deadline, any_time());
    changes[count++] =
        any(2) == 0 ? SET(chat, doctor_total, any_number()) : INC(chat, doctor_total, 1);
    return count;
}

/* One step's outcome as text. */
static void describe(enum err err, const struct chat *chat, char *out, size_t size)
{
    char counted[PUSH_LAST_KEEPS * OID_TEXT_BYTES] = "", shown[OID_TEXT_BYTES];
    oid_format(chat->last_msg_id, shown);
    for (size_t i = 0; i < chat->counted_ids.count; i++) {
        oid_format(chat->counted_ids.items[i], counted + strlen(counted));
    }
    snprintf(
        out, size,
        "err=%d status=%d content=%s shown=%s time=%lld counted=%s deadline=%lld %lld %lld %lld",
        err, chat->status, chat->last_msg_content == NULL ? "-" : chat->last_msg_content, shown,
        (long long)chat->last_msg_time.ms, counted, (long long)chat->deadline.ms,
        (long long)chat->user_total, (long long)chat->doctor_total, (long long)chat->rev);
}

/* The same steps in runs of the one kind or the other; what came of each is written to `out`. */
static void take_steps(bool is_hopeful, char (*out)[1024])
{
    random_state = 20180610;
    for (uint32_t i = 1; i <= CHATS; i++) {
        insert_chat(i);
    }
    for (int i = 0; i < STEPS; i++) {
        if (i % RUN_STEPS == 0) {
            enum err begun = is_hopeful ? store_begin_hopeful(f->session) : store_begin(f->session);
            assert_int_equal(begun, ERR_OK);
        }
        assert_int_equal(store_mark(f->session), ERR_OK);
        struct condition conditions[] = {any_condition(), any_condition()};
        struct change changes[10];
        size_t change_count = any_changes(changes);
        uint32_t number = 1 + any(CHATS);
        struct chat after = {.last_msg_content = NULL};
        size_t condition_count = any(3);
        bool wants_after = any(2) == 0;
        enum err err =
            store_update(f->session, f->arena, COLLECTION_CHATS, oid_number(number), conditions,
                         condition_count, changes, change_count, wants_after ? &after : NULL);
        if (any(6) == 0) {
            assert_int_equal(store_undo(f->session), ERR_OK);
            after = read_chat(number);
        } else if (!wants_after) {
            after = read_chat(number);
        }
        describe(err, &after, out[i], sizeof out[i]);
        if (i % RUN_STEPS == RUN_STEPS - 1) {
            assert_int_equal(store_commit(f->session), ERR_OK);
        }
    }
}

static void conditions_and_changes_mean_the_same_as_in_sql(void **state)
{
    (void)state;
    static char in_sql[STEPS][1024], in_memory[STEPS][1024];
    take_steps(false, in_sql);
    store_fixture_free(f);
    f = store_fixture_new(BACKEND_SQLITE_MEMORY);
    take_steps(true, in_memory);
    for (int i = 0; i < STEPS; i++) {
        assert_string_equal(in_memory[i], in_sql[i]);
    }
    struct store_session *reader = store_fixture_session(f, false);
    for (uint32_t i = 1; i <= CHATS; i++) {
        struct chat own = read_chat(i), others;
        assert_int_equal(store_get(reader, f->arena, COLLECTION_CHATS, oid_number(i), &others),
                         ERR_OK);
        assert_records_equal(&chat_shape, &own, &others);
    }
    store_session_close(reader);
}

/* ---- Runs ---------------------------------------------------------------------------------- */

static void what_is_kept_is_seen_by_every_question_of_the_run(void **state)
{
    (void)state;
    insert_chat(1);
    insert_chat(2);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 7), ERR_OK);
    assert_int_equal(read_chat(1).last_seq, 7);
    struct condition condition = WHERE(chat, last_seq, IS, 7);
    struct query query = {.conditions = &condition, .condition_count = 1};
    struct object_list found;
    int64_t count = 0;
    assert_int_equal(store_find(f->session, f->arena, COLLECTION_CHATS, &query, &found), ERR_OK);
    assert_int_equal(found.count, 1);
    assert_int_equal(set_seq(2, 7), ERR_OK);
    assert_int_equal(store_count(f->session, COLLECTION_CHATS, &query, &count), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(set_seq(3, 7), ERR_ABSENT);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(read_chat(2).last_seq, 7);
}

static void a_job_is_taken_back_also_when_its_change_was_written_already(void **state)
{
    (void)state;
    insert_chat(1);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 2), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 3), ERR_OK);
    int64_t count = 0;
    const struct query all = {.limit = 0};
    assert_int_equal(store_count(f->session, COLLECTION_CHATS, &all, &count), ERR_OK);
    assert_int_equal(store_undo(f->session), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(read_chat(1).last_seq, 2);
}

static void a_job_that_has_written_otherwise_asks_for_another_run(void **state)
{
    (void)state;
    insert_chat(1);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 2), ERR_OK);
    insert_user(9);
    assert_int_equal(store_undo(f->session), ERR_BUSY);
    assert_int_equal(store_commit(f->session), ERR_BUSY);
    assert_int_equal(read_chat(1).last_seq, 1);
    struct user user;
    assert_int_equal(store_get(f->session, f->arena, COLLECTION_USERS, oid_number(9), &user),
                     ERR_ABSENT);
}

static void a_failed_insert_has_written_nothing(void **state)
{
    (void)state;
    insert_chat(1);
    insert_user(9);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 2), ERR_OK);
    const struct user user = {.id = oid_number(9), .open_id = "again"};
    assert_int_equal(store_insert(f->session, COLLECTION_USERS, &user), ERR_DUPLICATE);
    assert_int_equal(store_undo(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(10);
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(read_chat(1).last_seq, 1);
}

static void many_of_which_some_were_inserted_ask_for_another_run(void **state)
{
    (void)state;
    const struct message there = {.id = oid_number(9), .chat_id = oid_number(1), .seq = 2};
    const struct message many[] = {{.id = oid_number(1), .chat_id = oid_number(1), .seq = 1},
                                   {.id = oid_number(2), .chat_id = oid_number(1), .seq = 2}};
    assert_int_equal(store_insert(f->session, COLLECTION_MESSAGES, &there), ERR_OK);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(store_insert_many(f->session, COLLECTION_MESSAGES, many, 2), ERR_DUPLICATE);
    assert_int_equal(store_commit(f->session), ERR_BUSY);
    int64_t count = 0;
    const struct query all = {.limit = 0};
    assert_int_equal(store_count(f->session, COLLECTION_MESSAGES, &all, &count), ERR_OK);
    assert_int_equal(count, 1);
}

static void a_chat_that_is_removed_asks_for_another_run(void **state)
{
    (void)state;
    insert_chat(1);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 2), ERR_OK);
    assert_int_equal(store_remove(f->session, COLLECTION_CHATS, oid_number(1), NULL, 0), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_BUSY);
    assert_int_equal(read_chat(1).last_seq, 1);
}

static void an_abandoned_run_keeps_nothing(void **state)
{
    (void)state;
    insert_chat(1);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 2), ERR_OK);
    store_abandon(f->session);
    assert_int_equal(read_chat(1).last_seq, 1);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(read_chat(1).last_seq, 1);
    assert_int_equal(store_commit(f->session), ERR_OK);
}

/* A run that changes the chat in memory, from `from` to `to`. */
static void run_seq(int64_t from, int64_t to)
{
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user((uint32_t)to); /* so that what is read next is what is kept */
    assert_int_equal(read_chat(1).last_seq, from);
    assert_int_equal(set_seq(1, to), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_OK);
}

static int64_t seq_for_others(void)
{
    struct store_session *reader = store_fixture_session(f, false);
    struct chat chat;
    assert_int_equal(store_get(reader, f->arena, COLLECTION_CHATS, oid_number(1), &chat), ERR_OK);
    store_session_close(reader);
    return chat.last_seq;
}

static void a_run_goes_on_from_the_last_one(void **state)
{
    (void)state;
    insert_chat(1);
    for (int64_t i = 1; i < 40; i++) {
        run_seq(i, i + 1);
        assert_int_equal(seq_for_others(), i + 1);
    }
}

static void what_others_write_between_runs_is_seen(void **state)
{
    (void)state;
    insert_chat(1);
    run_seq(1, 2);
    struct store_session *other = store_fixture_session(f, true);
    struct change change = SET(chat, last_seq, 70);
    assert_int_equal(
        store_update(other, f->arena, COLLECTION_CHATS, oid_number(1), NULL, 0, &change, 1, NULL),
        ERR_OK);
    store_session_close(other);
    run_seq(70, 71);
    assert_int_equal(seq_for_others(), 71);
}

static void what_is_written_outside_of_hopeful_runs_is_seen(void **state)
{
    (void)state;
    insert_chat(1);
    run_seq(1, 2);
    assert_int_equal(set_seq(1, 80), ERR_OK);
    run_seq(80, 81);
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 90), ERR_OK);
    assert_int_equal(store_commit(f->session), ERR_OK);
    run_seq(90, 91);
}

static void a_run_that_could_not_be_stored_is_not_gone_on_from(void **state)
{
    (void)state;
    vfs_install();
    store_fixture_free(f);
    f = store_fixture_new(BACKEND_SQLITE_FILE);
    insert_chat(1);
    run_seq(1, 2);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(set_seq(1, 3), ERR_OK);
    vfs_set_sync_fails(true);
    assert_int_equal(store_commit(f->session), ERR_STORE);
    vfs_set_sync_fails(false);
    run_seq(2, 4);
    assert_int_equal(seq_for_others(), 4);
}

/* Overwrites the first page of an index in the file, which nobody has open. */
static void damage_index(const char *name)
{
    char path[128], sql[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(path, sizeof path, "%s/store.db", f->folder);
    snprintf(sql, sizeof sql, "SELECT rootpage FROM sqlite_schema WHERE name='%s'", name);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    const long offset = 4096L * (sqlite3_column_int(statement, 0) - 1);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, offset, SEEK_SET), 0);
    assert_int_equal(fputc(0, file), 0);
    assert_int_equal(fclose(file), 0);
}

/* A damaged page ends no transaction, unlike a full disk: the run could be committed without the chat. */
static void a_run_whose_chat_cannot_be_written_is_lost(void **state)
{
    (void)state;
    store_fixture_free(f);
    f = store_fixture_new(BACKEND_SQLITE_FILE);
    insert_chat(1);
    store_fixture_let_go(f);
    damage_index("chats_by_doctor_rev");
    store_fixture_reopen(f);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    const struct change change = SET(chat, rev, 5);
    assert_int_equal(store_update(f->session, f->arena, COLLECTION_CHATS, oid_number(1), NULL, 0,
                                  &change, 1, NULL),
                     ERR_OK);
    int64_t count;
    const struct query all = {.limit = 0};
    assert_int_equal(store_count(f->session, COLLECTION_CHATS, &all, &count), ERR_STORE);
    assert_int_equal(store_commit(f->session), ERR_STORE);
}

/* More than is kept at a time: what was forgotten is read again. */
static void many_chats_with_long_texts_stay_what_they_are(void **state)
{
    (void)state;
    enum { MANY = 2000, ROUNDS = 4, TEXT = 1500 };
    char text[TEXT + 1];
    memset(text, 'y', TEXT);
    text[TEXT] = '\0';
    for (uint32_t i = 1; i <= MANY; i++) {
        insert_chat(i);
    }
    for (int round = 1; round <= ROUNDS; round++) {
        text[0] = (char)('a' + round);
        for (uint32_t i = 1; i <= MANY; i += 100) {
            assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
            for (uint32_t j = i; j < i + 100; j++) {
                struct change changes[] = {INC(chat, last_seq, j),
                                           SET(chat, last_msg_content, text)};
                struct chat after;
                assert_int_equal(store_mark(f->session), ERR_OK);
                assert_int_equal(store_update(f->session, f->arena, COLLECTION_CHATS, oid_number(j),
                                              NULL, 0, changes, 2, &after),
                                 ERR_OK);
                assert_int_equal(after.last_seq, 1 + (int64_t)j * round);
            }
            assert_int_equal(store_commit(f->session), ERR_OK);
            arena_reset(f->arena);
        }
    }
    for (uint32_t i = 1; i <= MANY; i++) {
        assert_string_equal(read_chat(i).last_msg_content, text);
        assert_int_equal(read_chat(i).last_seq, 1 + (int64_t)i * ROUNDS);
    }
}

/* SQLite writes to its log before the commit then, and reads back from there. */
static void a_run_larger_than_the_cache_is_whole(void **state)
{
    (void)state;
    store_fixture_free(f);
    f = store_fixture_new(BACKEND_SQLITE_FILE);
    enum { USERS = 30000 }; /* of 1 KB: more than any cache of sqlite_file.c */
    char text[1001];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    for (uint32_t i = 1; i <= USERS; i++) {
        const struct user user = {.id = oid_number(i * 7919U), .open_id = text};
        assert_int_equal(store_insert(f->session, COLLECTION_USERS, &user), ERR_OK);
    }
    assert_int_equal(count_users(f->session), USERS);
    assert_int_equal(store_commit(f->session), ERR_OK);
    struct store_session *reader = store_fixture_session(f, false);
    assert_int_equal(count_users(reader), USERS);
    store_session_close(reader);
    store_fixture_reopen(f);
    struct strbuf wrong;
    strbuf_init(&wrong, 0);
    assert_int_equal(store_inspect(f->session, &wrong), ERR_OK);
    assert_int_equal(wrong.length, 0);
    strbuf_free(&wrong);
    assert_int_equal(count_users(f->session), USERS);
}

/* ---- What is taken for granted -------------------------------------------------------------- */

static struct message message_numbered(uint32_t number, int64_t seq)
{
    return (struct message){.id = oid_number(number), .chat_id = oid_number(1), .seq = seq};
}

static enum err get_doubted(uint32_t number)
{
    struct message message;
    return store_get_doubted(f->session, f->arena, COLLECTION_MESSAGES, oid_number(number),
                             &message);
}

static enum err insert_message(uint32_t number, int64_t seq)
{
    const struct message message = message_numbered(number, seq);
    return store_insert(f->session, COLLECTION_MESSAGES, &message);
}

static void what_is_doubted_is_asked_for_outside_of_hopeful_runs(void **state)
{
    (void)state;
    assert_int_equal(insert_message(9, 1), ERR_OK);
    assert_int_equal(get_doubted(9), ERR_OK);
    assert_int_equal(get_doubted(8), ERR_ABSENT);
    assert_int_equal(store_begin(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(get_doubted(9), ERR_OK);
    assert_int_equal(get_doubted(8), ERR_ABSENT);
    assert_false(store_has_assumed(f->session));
    assert_int_equal(store_commit(f->session), ERR_OK);
}

static void what_is_doubted_is_proven_to_be_absent_by_inserting_it(void **state)
{
    (void)state;
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(get_doubted(9), ERR_ABSENT);
    assert_true(store_has_assumed(f->session));
    insert_user(9); /* of the same id, but no message */
    assert_int_equal(insert_message(8, 1), ERR_OK);
    assert_true(store_has_assumed(f->session));
    assert_int_equal(insert_message(9, 2), ERR_OK);
    assert_false(store_has_assumed(f->session));
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_int_equal(get_doubted(10), ERR_ABSENT);
    assert_true(store_has_assumed(f->session)); /* each job for itself */
    assert_int_equal(get_doubted(9), ERR_OK);   /* the second one of a job is asked for */
    assert_int_equal(store_mark(f->session), ERR_OK);
    assert_false(store_has_assumed(f->session));
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(get_doubted(9), ERR_OK);
}

/* Its id is taken, or its place. */
static void who_meets_what_was_doubted_is_run_again_and_asks(void **state)
{
    (void)state;
    insert_chat(1);
    assert_int_equal(insert_message(9, 5), ERR_OK);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    for (uint32_t number = 9; number <= 10; number++) {
        assert_int_equal(store_mark(f->session), ERR_OK);
        assert_int_equal(get_doubted(number), ERR_ABSENT);
        assert_int_equal(set_seq(1, 100 + number), ERR_OK);
        assert_int_equal(insert_message(number, number == 9 ? 6 : 5), ERR_BUSY);
        assert_true(store_has_assumed(f->session));
        assert_int_equal(store_mark_again(f->session), ERR_OK);
        assert_false(store_has_assumed(f->session));
        assert_int_equal(read_chat(1).last_seq, number == 9 ? 1 : 2);
        assert_int_equal(get_doubted(number), number == 9 ? ERR_OK : ERR_ABSENT);
        assert_int_equal(insert_message(number, 5), ERR_DUPLICATE);
        assert_int_equal(set_seq(1, number == 9 ? 2 : 3), ERR_OK);
    }
    assert_int_equal(store_commit(f->session), ERR_OK);
    assert_int_equal(read_chat(1).last_seq, 3);
}

static void who_has_written_before_asks_for_another_run(void **state)
{
    (void)state;
    assert_int_equal(insert_message(9, 1), ERR_OK);
    assert_int_equal(store_begin_hopeful(f->session), ERR_OK);
    assert_int_equal(store_mark(f->session), ERR_OK);
    insert_user(1);
    assert_int_equal(get_doubted(9), ERR_ABSENT);
    assert_int_equal(insert_message(9, 1), ERR_BUSY);
    assert_int_equal(store_mark_again(f->session), ERR_BUSY);
    assert_int_equal(store_commit(f->session), ERR_BUSY);
    assert_false(store_has_assumed(f->session));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(conditions_and_changes_mean_the_same_as_in_sql),
        TEST(what_is_kept_is_seen_by_every_question_of_the_run),
        TEST(a_job_is_taken_back_also_when_its_change_was_written_already),
        TEST(a_job_that_has_written_otherwise_asks_for_another_run),
        TEST(a_failed_insert_has_written_nothing),
        TEST(many_of_which_some_were_inserted_ask_for_another_run),
        TEST(a_chat_that_is_removed_asks_for_another_run),
        TEST(an_abandoned_run_keeps_nothing),
        TEST(a_run_goes_on_from_the_last_one),
        TEST(what_others_write_between_runs_is_seen),
        TEST(what_is_written_outside_of_hopeful_runs_is_seen),
        TEST(a_run_that_could_not_be_stored_is_not_gone_on_from),
        TEST(a_run_whose_chat_cannot_be_written_is_lost),
        TEST(many_chats_with_long_texts_stay_what_they_are),
        TEST(a_run_larger_than_the_cache_is_whole),
        TEST(what_is_doubted_is_asked_for_outside_of_hopeful_runs),
        TEST(what_is_doubted_is_proven_to_be_absent_by_inserting_it),
        TEST(who_meets_what_was_doubted_is_run_again_and_asks),
        TEST(who_has_written_before_asks_for_another_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
