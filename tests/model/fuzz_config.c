/*
 * A model folder whose config files are any bytes: they are refused with one line, or what they say
 * makes sense.
 *
 * The input is all files in turn, each ended by a zero byte (or the input's end): of the
 * transformer, of the text encoder, its processor's in either layout, of the VAE, of the edit, of
 * the scheduler, and the one of the model as a whole. They are written to a folder in memory, since the loaders take one.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/config.h"
#include "model/model_index.h"
#include "pipeline/scheduler.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const folders[] = {"transformer", "text_encoder", "processor", "vae",
                                      "scheduler"};
static const char *const files[] = {"transformer/config.json",
                                    "text_encoder/config.json",
                                    "processor/preprocessor_config.json",
                                    "processor/processor_config.json",
                                    "vae/config.json",
                                    "edit_config.json",
                                    "scheduler/scheduler_config.json",
                                    "model_index.json"};

enum { FILES = sizeof files / sizeof *files, FOLDERS = sizeof folders / sizeof *folders };

static char root[64];

static void require(int holds) {
    if (!holds) abort();
}

static void clean(void) {
    char path[128];
    for (int i = 0; i < FILES; i++) {
        snprintf(path, sizeof path, "%s/%s", root, files[i]);
        unlink(path);
    }
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        rmdir(path);
    }
    rmdir(root);
}

static void prepare(void) {
    char path[128];
    if (*root) return;
    snprintf(root, sizeof root, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-config-XXXXXX"
                                           : "/tmp/fuzz-config-XXXXXX");
    require(mkdtemp(root) != NULL);
    for (int i = 0; i < FOLDERS; i++) {
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        require(mkdir(path, 0700) == 0);
    }
    atexit(clean);
}

/* An empty piece is a file that is not there. */
static void put(const char *name, const uint8_t *bytes, size_t size) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", root, name);
    unlink(path);
    if (!size) return;
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* Whether it was taken; a refusal is one line. */
static bool taken(enum status s, const struct error *err) {
    if (s == STATUS_OK) return true;
    require((s == STATUS_INVALID || s == STATUS_IO || s == STATUS_UNSUPPORTED) && *err->text &&
            !strchr(err->text, '\n'));
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    prepare();
    for (int i = 0; i < FILES; i++) {
        const uint8_t *end = size ? memchr(data, 0, size) : NULL;
        size_t n = end ? (size_t)(end - data) : size;
        put(files[i], data, n);
        data += end ? n + 1 : n;
        size -= end ? n + 1 : n;
    }
    struct error err = {0};
    struct transformer_config t;
    struct language_config l;
    struct vision_config v;
    struct vae_config c;
    struct edit_config e;
    struct scheduler_config schedule;
    if (taken(transformer_config_load(&t, root, &err), &err))
        require(t.layers > 0 && t.heads > 0 && t.head_dim > 0 && t.width == t.heads * t.head_dim &&
                t.axes[0] + t.axes[1] + t.axes[2] == t.head_dim);
    if (taken(text_encoder_config_load(&l, &v, root, &err), &err))
        require(l.layers > 0 && l.hidden > 0 && l.heads > 0 && l.kv_heads > 0 && l.head_dim > 0 &&
                l.heads % l.kv_heads == 0);
    if (taken(vae_config_load(&c, root, &err), &err)) require(c.z > 0 && vae_scale(&c) > 0);
    if (taken(edit_config_load(&e, root, &err), &err)) {
        require(e.example_count <= FIRERED_MAX_EXAMPLES);
        for (size_t i = 0; i < e.example_count; i++)
            require(*e.examples[i] && memchr(e.examples[i], '\0', sizeof e.examples[i]));
    }
    taken(scheduler_config_load(&schedule, root, &err), &err);
    struct buffer notes = {0};
    taken(model_index_check(root, &notes, &err), &err);
    for (size_t i = 0; i < notes.size; i++) /* lines of visible text */
        require(notes.data[i] == '\n' || (notes.data[i] >= 0x20 && notes.data[i] <= 0x7e));
    buffer_free(&notes);
    return 0;
}
