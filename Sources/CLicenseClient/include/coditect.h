/* Floating seats for programs in C and whatever calls C. The library is the Swift client; see docs/explanation/clients.md.
 *
 *     coditect_error error;
 *     coditect_client *client = coditect_client_open("https://example.com", "render", "2.1", NULL, &error);
 *     coditect_seat *seat = coditect_seat_acquire(client, 0, &error);
 *     if (!seat) { fprintf(stderr, "%s; %s\n", error.message, error.next); return 1; }
 *     ... while (coditect_seat_state(seat) <= CODITECT_OFFLINE) work(); ...
 *     coditect_seat_release(seat);
 *
 * Every function may be called from any thread. Texts are UTF-8 and copied; NULL stands for an option's default.
 */
#ifndef CODITECT_H
#define CODITECT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __clang__
#define CODITECT_OR_NULL _Nullable
#pragma clang assume_nonnull begin
#else
#define CODITECT_OR_NULL
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct coditect_client coditect_client;
typedef struct coditect_seat coditect_seat;

/* Up to CODITECT_OFFLINE the program may go on. */
typedef enum coditect_state {
    CODITECT_HELD = 0,
    /* The lease lives, but the server does not answer at the moment. */
    CODITECT_UNSURE = 1,
    /* The server is away: the borrowed seat, or the signed file of this device, stands in. */
    CODITECT_OFFLINE = 2,
    CODITECT_LOST = 3,
    CODITECT_RELEASED = 4
} coditect_state;

/* Filled by a call that fails; always ends in NUL. */
typedef struct coditect_error {
    /* Stable: "no_seats_available", "unreachable", … */
    char code[48];
    char message[512];
    /* What to do next. */
    char next[256];
    /* -1: not told. */
    int64_t retry_after_seconds;
} coditect_error;

/* level: 0 debug, 1 info, 2 warning. The texts are valid during the call. Called from a thread of the library. */
typedef void (*coditect_log)(int32_t level, const char *event, const char *message, void *CODITECT_OR_NULL context);

typedef struct coditect_options {
    /* An access token; NULL: as whoever ran `coditect login`. */
    const char *CODITECT_OR_NULL token;
    /* Only seats of this licence. */
    const char *CODITECT_OR_NULL license;
    /* A name for this device instead of its hardware id. */
    const char *CODITECT_OR_NULL device;
    /* Where state is kept; NULL: $XDG_CONFIG_HOME/coditect, else ~/.config/coditect. */
    const char *CODITECT_OR_NULL folder;
    /* PEM or JSON of the keys that the program was built with; others are not believed. */
    const char *CODITECT_OR_NULL public_keys;
    /* Not 0: seats stay when the process ends by itself or by SIGTERM, SIGINT or SIGHUP. */
    int32_t keeps_at_exit;
    coditect_log CODITECT_OR_NULL log;
    void *CODITECT_OR_NULL log_context;
    /* What this device is made of, a line of "name=value" each, instead of what is read of the machine; "": nothing. Only keyed digests
     * leave the device. */
    const char *CODITECT_OR_NULL hardware;
    /* Not 0: the licence file is kept encrypted, readable on this device alone. */
    int32_t encrypts_file;
} coditect_options;

/* NULL on failure. */
coditect_client *CODITECT_OR_NULL coditect_client_open(
    const char *server, const char *application, const char *version,
    const coditect_options *CODITECT_OR_NULL options, coditect_error *CODITECT_OR_NULL error);

/* Its seats live on. */
void coditect_client_close(coditect_client *CODITECT_OR_NULL client);

/* Takes a seat and keeps it from a thread of the library; waits for a free one for so many seconds. NULL on failure. */
coditect_seat *CODITECT_OR_NULL coditect_seat_acquire(
    coditect_client *client, int64_t wait_seconds, coditect_error *CODITECT_OR_NULL error);

coditect_state coditect_seat_state(const coditect_seat *seat);

/* Why the seat is lost; returns 0, and leaves error alone, where it is not. */
int32_t coditect_seat_error(const coditect_seat *seat, coditect_error *error);

/* Gives the seat back and forgets it. */
void coditect_seat_release(coditect_seat *CODITECT_OR_NULL seat);

/* Binds a licence to this device, or takes it off; 0, or -1 on failure. */
int32_t coditect_activate(coditect_client *client, const char *key, coditect_error *CODITECT_OR_NULL error);
int32_t coditect_deactivate(coditect_client *client, coditect_error *CODITECT_OR_NULL error);

/* Until when the signed file of this device holds, in seconds since 1970; -1 if it does not. Asks nobody. */
int64_t coditect_offline_until(coditect_client *client, coditect_error *CODITECT_OR_NULL error);

/* Borrows a seat for use without the network, for 1 to 168 hours: the one that this device holds, if it holds one. Answers its end, in
 * seconds since 1970; -1 on failure. */
int64_t coditect_borrow(coditect_client *client, int32_t hours, coditect_error *CODITECT_OR_NULL error);

/* Brings the borrowed seat home before its end; 0, or -1 on failure. */
int32_t coditect_return_borrowed(coditect_client *client, coditect_error *CODITECT_OR_NULL error);

/* Until when this device has a borrowed seat, in seconds since 1970; 0 if it borrowed none, -1 if it does not hold. Asks nobody. */
int64_t coditect_borrowed_until(coditect_client *client, coditect_error *CODITECT_OR_NULL error);

#ifdef __cplusplus
}
#endif

#ifdef __clang__
#pragma clang assume_nonnull end
#endif
#endif
