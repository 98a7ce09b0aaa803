#define _GNU_SOURCE
#include "keeper.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/// Looks at every byte, whatever the first ones are.
static bool is_same(const char *given, size_t bytes, const char *token) {
    size_t length = strlen(token);
    unsigned char differs = bytes != length;
    for (size_t at = 0; at < bytes && at < length; at++) differs |= (unsigned char)(given[at] ^ token[at]);
    return differs == 0;
}

/// The token as `?token=…`, `Authorization: Bearer …` or `Authorization: token …`.
static bool shows_token(const char *request, const char *token) {
    static const char *const before[] = {"?token=", "\r\nAuthorization: Bearer ", "\r\nAuthorization: token ", NULL};
    for (const char *const *sign = before; *sign; sign++) {
        const char *at = strcasestr(request, *sign);
        if (!at) continue;
        at += strlen(*sign);
        if (is_same(at, strspn(at, "0123456789abcdef"), token)) return true;
    }
    return false;
}

static void answer(int visitor, const char *token) {
    struct timeval patience = {.tv_sec = 2};
    setsockopt(visitor, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(visitor, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    char request[8192];
    size_t held = 0;
    time_t until = time(NULL) + 3;
    while (held < sizeof request - 1 && time(NULL) < until) {
        ssize_t count = recv(visitor, request + held, sizeof request - 1 - held, 0);
        if (count <= 0) return;
        held += (size_t)count;
        request[held] = 0;
        if (strstr(request, "\r\n\r\n")) break;
    }
    request[held] = 0;
    bool enters = shows_token(request, token);
    const char *text = enters ? "This workstation runs. Its operator named no command, so there is nothing but its disk.\n" : "The token is missing or another.\n";
    char reply[512];
    int length = snprintf(
        reply, sizeof reply,
        "HTTP/1.1 %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n%s",
        enters ? "200 OK" : "403 Forbidden", strlen(text), text);
    if (length > 0) send(visitor, reply, (size_t)length, MSG_NOSIGNAL);
}

int desk(const struct terms *terms, const char *token) {
    int door = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons((uint16_t)terms->port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (door < 0 || setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 || bind(door, (struct sockaddr *)&own, sizeof own) != 0
        || listen(door, 16) != 0) {
        perror("the port cannot be had");
        return 1;
    }
    while (true) {
        int visitor = accept4(door, NULL, NULL, SOCK_CLOEXEC);
        if (visitor < 0) continue;
        answer(visitor, token);
        close(visitor);
    }
}
