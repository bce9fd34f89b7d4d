/*
 * Adapters of any keys with any configuration: refused with one line, or merged at a finite strength
 * that does not depend on who states it.
 *
 * The input is the text of a configuration up to a zero byte, then a key a line, each for a tensor of
 * ones: "NAME" of rank 2 where it is a matrix, "2 NAME" an alpha of 2.  The same configuration in the
 * file's header, in the file beside it, and in both has to say the same.
 */
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "model/key_layout.h"
#include "model/lora.h"
#include "model/lora_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { RANK = 2, INPUTS = 3, OUTPUTS = 2, ROOM = 64, MAX_KEYS = 32 };

static char root[64], adapter[128], beside[128];

static void require(bool holds) {
    if (!holds) abort();
}

static void clean(void) {
    unlink(adapter);
    unlink(beside);
    rmdir(root);
}

static void prepare(void) {
    if (*root) return;
    snprintf(root, sizeof root, "%s",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm/fuzz-lora-XXXXXX" : "/tmp/fuzz-lora-XXXXXX");
    require(mkdtemp(root) != NULL);
    snprintf(adapter, sizeof adapter, "%s/adapter_model.safetensors", root);
    snprintf(beside, sizeof beside, "%s/adapter_config.json", root);
    atexit(clean);
}

static void put(const char *path, const void *bytes, size_t size) {
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
    require(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* Adds the tensor of a line to the header and its numbers to `numbers`. */
static void add_tensor(json_t *header, struct buffer *numbers, char *line) {
    struct adapter_key key;
    float alpha = 1;
    if (line[0] >= '0' && line[0] <= '9' && line[1] == ' ') {
        alpha = (float)(line[0] - '0');
        line += 2;
    }
    bool known = adapter_key_read(&key, line);
    require(!known || (key.module >= line && key.module + key.length <= line + strlen(line)));
    size_t rows = 1, columns = 1;
    if (known && key.role == ADAPTER_DOWN) rows = RANK, columns = INPUTS;
    if (known && key.role == ADAPTER_UP) rows = OUTPUTS, columns = RANK;
    bool matrix = known && key.role != ADAPTER_ALPHA;
    json_t *shape = matrix ? json_pack("[i, i]", (int)rows, (int)columns) : json_array();
    size_t begin = numbers->size;
    json_t *entry = json_pack("{s:s, s:o, s:[i, i]}", "dtype", "F32", "shape", shape,
                              "data_offsets", (int)begin, (int)(begin + rows * columns * 4));
    if (!entry || json_object_get(header, line) || json_object_set(header, line, entry) != 0) {
        json_decref(entry); /* no UTF-8, or there already */
        return;
    }
    json_decref(entry);
    for (size_t i = 0; i < rows * columns; i++)
        require(buffer_append(numbers, &alpha, sizeof alpha, NULL) == STATUS_OK);
}

/* Writes the adapter; with the configuration in its header where there is a text. */
static void write_adapter(json_t *header, const struct buffer *numbers, const char *config) {
    json_t *all = json_object();
    if (config)
        json_object_set_new(all, "__metadata__", json_pack("{s:s}", LORA_CONFIG_KEY, config));
    json_object_update(all, header);
    char *text = json_dumps(all, JSON_COMPACT);
    struct buffer file = {0};
    uint64_t length = strlen(text);
    require(buffer_append(&file, &length, sizeof length, NULL) == STATUS_OK &&
            buffer_append(&file, text, length, NULL) == STATUS_OK &&
            buffer_append(&file, numbers->data ? numbers->data : "", numbers->size, NULL) ==
                STATUS_OK);
    put(adapter, file.data, file.size);
    buffer_free(&file);
    free(text);
    json_decref(all);
}

/* What the adapter adds to each of the keys' modules; false: it was refused, with one line. */
static bool deltas(float *out, char names[][ROOM], size_t count) {
    struct lora *l;
    struct error err = {""};
    enum status s = lora_open(&l, adapter, 1.0, &err);
    if (s != STATUS_OK) {
        require(s == STATUS_INVALID && *err.text && !strchr(err.text, '\n'));
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        float weight[OUTPUTS * INPUTS] = {0};
        require(lora_merge(l, names[i], weight, OUTPUTS, INPUTS, &err) == STATUS_OK);
        for (int k = 1; k < OUTPUTS * INPUTS; k++)
            require(memcmp(&weight[k], &weight[0], sizeof weight[0]) == 0);
        require(!isnan(weight[0]));
        out[i] = weight[0];
    }
    lora_close(l);
    return true;
}

static size_t read_keys(json_t *header, struct buffer *numbers, char names[][ROOM], char *text) {
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line && count < MAX_KEYS;
         line = strtok_r(NULL, "\n", &rest)) {
        struct adapter_key key;
        const char *name = line[0] >= '0' && line[0] <= '9' && line[1] == ' ' ? line + 2 : line;
        bool known = adapter_key_read(&key, name);
        snprintf(names[count++], ROOM, "%.*s", known && key.length < ROOM ? (int)key.length : 0,
                 known ? key.module : "");
        add_tensor(header, numbers, line);
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static char names[MAX_KEYS][ROOM];
    prepare();
    const uint8_t *end = memchr(data, 0, size);
    if (!end || size > 4096) return 0;
    const char *config = (const char *)data;
    size_t length = (size_t)(end - data);
    char *keys = strndup((const char *)end + 1, size - length - 1);
    json_t *header = json_object(), *text = json_string(config);
    struct buffer numbers = {0};
    float in_header[MAX_KEYS], in_file[MAX_KEYS], in_both[MAX_KEYS];
    size_t count = read_keys(header, &numbers, names, keys);
    write_adapter(header, &numbers, NULL);
    put(beside, config, length);
    bool file = deltas(in_file, names, count);
    if (text && length && strcmp(config, "null") != 0) {
        write_adapter(header, &numbers, config);
        bool both = deltas(in_both, names, count);
        unlink(beside);
        bool alone = deltas(in_header, names, count);
        require(file == alone && alone == both);
        require(!file || (memcmp(in_file, in_header, count * sizeof(float)) == 0 &&
                          memcmp(in_file, in_both, count * sizeof(float)) == 0));
    }
    unlink(beside);
    buffer_free(&numbers);
    json_decref(header);
    json_decref(text);
    free(keys);
    return 0;
}
