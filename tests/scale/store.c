/* Fills a store with an invented hospital:  scale_store URL PERCENT
 *
 * At 100: 1,000,000 messages, 100,000 orders, 50,000 chats, of which doctor 00001 has 20,000 and one
 * with 20,000 messages, and a dictionary of 40,000 diagnoses. At 1 the hundredth of all, at 0 the
 * tables and indexes only; above 100 more of all but the dictionary and the quick replies. Every message
 * has its row of the record, chained as the server does it. But for the name of that chain, everything
 * follows from its number, so two runs make the same store.
 * Doctor 00001 is the demo's, who is there (with a password) when the server starts with --demo. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/audit.h"
#include "server/api/chats.h"
#include "server/api/diagnoses.h"
#include "server/api/posts.h"
#include "server/audit_chain.h"
#include "server/auth.h"

#define BATCH 2000
#define COMMIT_ROWS 200000
#define TERMS_ABOUT 15 /* rows that a diagnosis takes */
#define START_MS INT64_C(1500000000000)
#define MINUTE_MS INT64_C(60000)
#define DOCTORS 200
#define CHATS_AT_FULL 50000
#define BUSY_CHATS_AT_FULL 20000
#define LONG_CHAT_AT_FULL 20000
#define DICTIONARY_AT_FULL 40000
#define REPLIES_AT_FULL 2000
#define MESSAGES_PER_CHAT 20
#define CHATS_PER_USER 4

struct made {
    struct store_session *session;
    struct arena *arena;
    struct audit_chain *chain;
    double percent;
    int64_t rev;
    size_t waiting; /* rows written since the last commit */
};

static void must(enum err err, const char *what)
{
    if (err != ERR_OK) {
        fprintf(stderr, "%s failed\n", what);
        exit(EXIT_FAILURE);
    }
}

static int64_t scaled(const struct made *made, int64_t at_full)
{
    return (int64_t)((double)at_full * made->percent / 100);
}

static struct timestamp minute(int64_t number)
{
    return (struct timestamp){START_MS + number * MINUTE_MS};
}

/* Of what a hospital has one of, however many come. */
static int64_t scaled_to_full(const struct made *made, int64_t at_full)
{
    return made->percent > 100 ? at_full : scaled(made, at_full);
}

/* Few commits: each is a sync. */
static void save(struct made *made)
{
    if (made->waiting >= COMMIT_ROWS) {
        must(store_commit(made->session), "commit");
        must(store_begin(made->session), "begin");
        made->waiting = 0;
    }
}

/* Inserts what has gathered. */
static void flush(struct made *made, enum collection collection, const void *records, size_t *count)
{
    must(store_insert_many(made->session, collection, records, *count), "insert");
    made->waiting += *count;
    *count = 0;
    save(made);
}

/* ---- People ------------------------------------------------------------------------------- */

static struct oid doctor_id(struct made *made, int64_t number)
{
    return id_derive_text("doctor", arena_format(made->arena, "%05d", (int)number));
}

static struct oid user_id(struct made *made, int64_t number)
{
    return id_derive_text("user", arena_format(made->arena, "scale-%06d", (int)number));
}

static struct oid patient_id(struct made *made, int64_t number)
{
    return id_derive_number("scale patient", user_id(made, number), 0);
}

static void make_doctors(struct made *made)
{
    static struct doctor doctors[BATCH];
    const int64_t end = 2 + scaled(made, DOCTORS);
    for (int64_t i = 2; i < end;) {
        size_t count = 0;
        for (; i < end && count < BATCH; i++, count++) {
            const char *sn = arena_format(made->arena, "%05d", (int)i);
            doctors[count] = (struct doctor){
                .id = doctor_id(made, i),
                .doctor_sn = sn,
                .doctor_name = arena_format(made->arena, "虚构医生%d", (int)i),
                .identifier = arena_format(made->arena, "doctor-%s", sn),
                .image_and_text_open = true,
                .image_and_text_price = 2000,
                .weight = i % 10,
                .created_at = minute(0),
                .updated_at = minute(0),
            };
        }
        flush(made, COLLECTION_DOCTORS, doctors, &count);
        arena_reset(made->arena);
    }
}

static void make_users(struct made *made)
{
    static struct user users[BATCH];
    static struct patient patients[BATCH];
    const int64_t all = scaled(made, CHATS_AT_FULL) / CHATS_PER_USER + 1;
    for (int64_t i = 0; i < (made->percent > 0 ? all : 0);) {
        size_t count = 0;
        for (; i < all && count < BATCH; i++, count++) {
            users[count] = (struct user){.id = user_id(made, i),
                                         .open_id = arena_format(made->arena, "scale-%06d", (int)i),
                                         .phone = NUMBER_ABSENT,
                                         .created_at = minute(0),
                                         .updated_at = minute(0)};
            patients[count] = (struct patient){.id = patient_id(made, i),
                                               .user_id = users[count].id,
                                               .phone = INT64_C(13900000000),
                                               .certificate_type = "05",
                                               .certificate_no = "P0000001",
                                               .name = "虚构病人",
                                               .birthday = "1990-02-28",
                                               .sex = 1,
                                               .created_at = minute(0),
                                               .updated_at = minute(0)};
        }
        size_t again = count;
        flush(made, COLLECTION_USERS, users, &again);
        flush(made, COLLECTION_PATIENTS, patients, &count);
        arena_reset(made->arena);
    }
}

/* ---- Chats, orders, messages -------------------------------------------------------------- */

/* The first ones are the busy doctor's, each with another user; the others are spread. */
static void pair_of(struct made *made, int64_t number, int64_t *user, int64_t *doctor)
{
    const int64_t busy = scaled(made, BUSY_CHATS_AT_FULL);
    const int64_t users = scaled(made, CHATS_AT_FULL) / CHATS_PER_USER + 1;
    *user = number % users;
    const int64_t doctors = scaled(made, DOCTORS);
    *doctor = number < busy ? 1 : 2 + number % (doctors > 0 ? doctors : 1);
}

static int64_t messages_of(const struct made *made, int64_t chat)
{
    return chat == 0 ? scaled(made, LONG_CHAT_AT_FULL) : MESSAGES_PER_CHAT;
}

struct pair {
    struct oid chat_id, user_id, patient_id, doctor_id;
};

/* The busy doctor has more chats than there are users: each again with another patient. */
static struct pair pair_ids(struct made *made, int64_t number)
{
    int64_t user = 0;
    int64_t doctor = 0;
    pair_of(made, number, &user, &doctor);
    struct pair pair = {.user_id = user_id(made, user), .doctor_id = doctor_id(made, doctor)};
    const int64_t users = scaled(made, CHATS_AT_FULL) / CHATS_PER_USER + 1;
    pair.patient_id = number < users ? patient_id(made, user)
                                     : id_derive_number("scale patient", pair.user_id, number);
    pair.chat_id = chat_id_of_pair(pair.patient_id, pair.doctor_id);
    return pair;
}

static void make_chats(struct made *made)
{
    static struct chat chats[BATCH];
    const int64_t all = scaled(made, CHATS_AT_FULL);
    for (int64_t i = 0; i < all;) {
        size_t count = 0;
        for (; i < all && count < BATCH; i++, count++) {
            const struct pair pair = pair_ids(made, i);
            const int64_t last = messages_of(made, i);
            chats[count] = (struct chat){
                .id = pair.chat_id,
                .type = "01",
                .user_id = pair.user_id,
                .patient_id = pair.patient_id,
                .doctor_id = pair.doctor_id,
                .patient_name = "虚构病人",
                .doctor_name = "虚构医生",
                .last_msg_content = "好的，谢谢医生，我会按时吃药，三天后再来问。",
                .last_msg_time = minute(i * MESSAGES_PER_CHAT + 19),
                .last_seq = last,
                .user_total = last / 2,
                .doctor_total = last - last / 2,
                .rev = made->rev++,
                .created_at = minute(i * MESSAGES_PER_CHAT),
                .updated_at = minute(i * MESSAGES_PER_CHAT + 19),
            };
        }
        flush(made, COLLECTION_CHATS, chats, &count);
        arena_reset(made->arena);
    }
}

static struct oid order_id(struct pair pair, int64_t number)
{
    return id_derive_number("scale order", pair.chat_id, number);
}

/* Two orders each: in twenty, one is in each state but 01, 03, 04, 05 and 06; the rest are done. */
static void make_orders(struct made *made)
{
    static struct consultation orders[BATCH];
    static const char *const states[] = {"02", "08", "09"};
    const int64_t all = 2 * scaled(made, CHATS_AT_FULL);
    for (int64_t i = 0; i < all;) {
        size_t count = 0;
        for (; i < all && count < BATCH; i++, count++) {
            const struct pair pair = pair_ids(made, i / 2);
            const struct timestamp at = minute(i / 2 * MESSAGES_PER_CHAT + i % 2 * 10);
            orders[count] = (struct consultation){
                .id = order_id(pair, i % 2),
                .consultation_no = arena_format(made->arena, "H0-SCALE%011d", (int)i),
                .patient_id = pair.patient_id,
                .doctor_id = pair.doctor_id,
                .user_id = pair.user_id,
                .chat_id = pair.chat_id,
                .content = "头疼两天，伴有低烧，想问问怎么办。",
                .status = i % 20 < 3 ? states[i % 20] : "07",
                .consultation_reason = "在线复诊",
                .fee = 2000,
                .created_at = at,
                .updated_at = at,
                .paid_at = at,
                .deadline = {at.ms + 2880 * MINUTE_MS},
                .start_seq = 1 + i % 2 * 10,
                .rev = made->rev++,
            };
        }
        flush(made, COLLECTION_CONSULTATIONS, orders, &count);
        arena_reset(made->arena);
    }
}

static struct message message_of(struct made *made, struct pair pair, int64_t chat, int64_t seq)
{
    const struct timestamp at = minute(chat * MESSAGES_PER_CHAT + seq % MESSAGES_PER_CHAT);
    return (struct message){
        .id = message_id_of(pair.chat_id, seq % 2 == 0 ? "doctor" : "user",
                            arena_format(made->arena, "scale-%d", (int)seq)),
        .chat_id = pair.chat_id,
        .consultation_id = order_id(pair, seq <= 10 ? 0 : 1),
        .type = "01",
        .text = {.plain = arena_format(made->arena, "第%d句：这两天好一些了，还需要继续吃药吗？",
                                       (int)seq)},
        .direction = seq % 2 == 0 ? "doctor->user" : "user->doctor",
        .seq = seq,
        .user_total = seq / 2,
        .doctor_total = seq - seq / 2,
        .rev = made->rev++,
        .created_at = at,
        .updated_at = at,
    };
}

/* Writes messages and their rows of the record. */
static void flush_messages(struct made *made, const struct message *messages, size_t *count)
{
    const size_t rows = *count;
    flush(made, COLLECTION_MESSAGES, messages, count);
    struct call call = {.arena = made->arena, .store = made->session};
    for (size_t i = 0; i < rows; i++) {
        call.now = messages[i].created_at;
        audit_note(&call,
                   &(struct audit_note){.action = AUDIT_SEND,
                                        .actor = messages[i].seq % 2 == 0 ? "doctor" : "user",
                                        .consultation_id = messages[i].consultation_id,
                                        .subject = messages[i].id,
                                        .content = &messages[i]});
    }
    must(audit_chain_record(made->chain, made->session, &call), "record");
    audit_chain_settle(made->chain, true);
    made->waiting += rows;
    save(made);
    arena_reset(made->arena);
}

struct place {
    struct oid chat_id;
    int64_t number;
};

static int by_chat_id(const void *a, const void *b)
{
    const struct place *one = a;
    const struct place *other = b;
    return memcmp(&one->chat_id, &other->chat_id, sizeof one->chat_id);
}

/* All chats by id. Messages lie in the store by their chat's id: written in that order, each page is
 * written once, which is what filling takes when the pages no longer fit into memory. */
static struct place *sorted_chats(struct made *made, int64_t all)
{
    struct place *places = malloc((size_t)(all + 1) * sizeof *places);
    must(places == NULL ? ERR_STORE : ERR_OK, "memory");
    for (int64_t i = 0; i < all; i++) {
        places[i] = (struct place){pair_ids(made, i).chat_id, i};
        arena_reset(made->arena);
    }
    qsort(places, (size_t)all, sizeof *places, by_chat_id);
    return places;
}

static void make_messages(struct made *made)
{
    static struct message messages[BATCH];
    const int64_t all = scaled(made, CHATS_AT_FULL);
    struct place *places = sorted_chats(made, all);
    size_t count = 0;
    for (int64_t i = 0; i < all; i++) {
        const int64_t chat = places[i].number;
        const struct pair pair = pair_ids(made, chat);
        for (int64_t seq = 1; seq <= messages_of(made, chat); seq++) {
            messages[count++] = message_of(made, pair, chat, seq);
            if (count == BATCH) {
                flush_messages(made, messages, &count);
            }
        }
    }
    flush_messages(made, messages, &count);
    free(places);
}

/* ---- Dictionary, quick replies ------------------------------------------------------------ */

static void make_dictionary(struct made *made)
{
    static const char *const where[] = {"左侧", "右侧",   "双侧",   "上部",   "下部",   "急性",
                                        "慢性", "复发性", "先天性", "继发性", "创伤性", "老年性"};
    static const char *const organ[] = {
        "肺",   "肝",   "胃",   "肾",     "心肌", "皮肤",   "关节", "支气管", "甲状腺", "前列腺",
        "膀胱", "胆囊", "胰腺", "视网膜", "鼻窦", "扁桃体", "腰椎", "颈椎",   "膝关节", "A型血管"};
    static const char *const what[] = {"炎",     "疼痛",     "结节", "囊肿", "损伤", "感染",
                                       "综合征", "功能不全", "出血", "水肿", "狭窄", "增生"};
    static struct diagnosis_entry entries[BATCH];
    const int64_t all = scaled_to_full(made, DICTIONARY_AT_FULL);
    for (int64_t i = 0; i < all;) {
        size_t count = 0;
        for (; i < all && count < BATCH; i++, count++) {
            const int64_t mixed = i * 7919 % 40009;
            entries[count].code = arena_format(made->arena, "S%05d", (int)i);
            entries[count].name =
                arena_format(made->arena, "%s%s%s%d型", where[mixed % 12], organ[mixed / 12 % 20],
                             what[mixed / 240 % 12], (int)(mixed / 2880));
        }
        must(diagnoses_insert(made->session, minute(0), entries, count, NULL), "dictionary");
        made->waiting += count * TERMS_ABOUT;
        save(made);
        arena_reset(made->arena);
    }
}

static void make_replies(struct made *made)
{
    static struct quick_reply replies[BATCH];
    size_t count = 0;
    for (int64_t i = 0; i < scaled_to_full(made, REPLIES_AT_FULL); i++) {
        const char *title = arena_format(made->arena, "常用语%d", (int)i);
        replies[count++] = (struct quick_reply){
            .id = id_derive_number("scale reply", doctor_id(made, 1), i),
            .doctor_id = doctor_id(made, 1),
            .title = title,
            .content = "请多喝水，注意休息。",
            .search = arena_format(made->arena, "%s\n请多喝水，注意休息。", title),
            .created_at = minute(i),
            .updated_at = minute(i),
        };
    }
    flush(made, COLLECTION_QUICK_REPLIES, replies, &count);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "scale_store URL PERCENT\n");
        return EXIT_FAILURE;
    }
    const struct store_settings settings = {.url = argv[1], .timeout_ms = 60000};
    struct store *store;
    char why[256];
    if (store_open(&settings, &store, why) != ERR_OK) {
        fprintf(stderr, "%s\n", why);
        return EXIT_FAILURE;
    }
    struct made made = {.arena = arena_new(1 << 20),
                        .chain = audit_chain_new("scale"),
                        .percent = strtod(argv[2], NULL),
                        .rev = 1};
    must(store_session_open(store, true, &made.session), "session");
    must(store_begin(made.session), "begin");
    make_doctors(&made);
    make_users(&made);
    make_chats(&made);
    make_orders(&made);
    make_messages(&made);
    make_dictionary(&made);
    make_replies(&made);
    must(store_commit(made.session), "commit");
    audit_chain_free(made.chain);
    arena_free(made.arena);
    store_session_close(made.session);
    store_close(store);
    return EXIT_SUCCESS;
}
