/* Works while it has a seat.   render SERVER [SECONDS] */
#include <coditect.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void log_line(int32_t level, const char *event, const char *message, void *context) {
    (void)context;
    if (level > 0) fprintf(stderr, "%s: %s\n", event, message);
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: render SERVER [SECONDS]\n");
        return 64;
    }
    coditect_options options = {.log = log_line, .device = getenv("RENDER_DEVICE")};
    coditect_error error;
    coditect_client *client = coditect_client_open(arguments[1], "render", "2.1", &options, &error);
    coditect_seat *seat = client ? coditect_seat_acquire(client, 0, &error) : NULL;
    if (!seat) {
        fprintf(stderr, "render: %s (%s)%s%s\n", error.message, error.code, *error.next ? "; " : "", error.next);
        coditect_client_close(client);
        return 75;
    }
    puts("working");
    fflush(stdout);
    int left = count > 2 ? atoi(arguments[2]) : 1;
    while (left-- > 0 && coditect_seat_state(seat) <= CODITECT_OFFLINE) sleep(1);
    int lost = coditect_seat_error(seat, &error);
    if (lost) fprintf(stderr, "render: %s\n", error.message);
    coditect_seat_release(seat);
    coditect_client_close(client);
    return lost ? 75 : 0;
}
