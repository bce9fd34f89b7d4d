/* A list of edits of any bytes: refused with one line, or every edit that it has is one that can be
 * asked for. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "cli/eval_list.h"
#include "firered.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds) {
    if (!holds) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct eval_list list;
    struct error err = {""};
    int fd = memfd_create("list", MFD_CLOEXEC);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum status s = eval_list_read(&list, path, &err);
    close(fd);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID && *err.text && !strchr(err.text, '\n') && !list.items);
        return 0;
    }
    require(list.count > 0);
    for (size_t i = 0; i < list.count; i++) {
        const struct eval_item *e = &list.items[i];
        require(*e->picture && *e->expected && *e->prompt && *e->class);
        require(e->steps >= 0 && e->steps <= FIRERED_MAX_STEPS);
        require(e->guidance <= FIRERED_MAX_GUIDANCE);
    }
    eval_list_free(&list);
    return 0;
}
