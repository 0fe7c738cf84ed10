/* Any thread. What the server closes a socket with (contract 4): the names of close_codes.def. */
#ifndef CONSULTD_SERVER_CLOSE_CODES_H
#define CONSULTD_SERVER_CLOSE_CODES_H

enum close_code {
#define CLOSE_CODE(name, code, comes_back, meaning) CLOSE_##name = (code),
#include "server/close_codes.def"
#undef CLOSE_CODE
};

#endif
