/*
 * The same function names every tensor twice: in the first round into the header, in the second
 * its random numbers into the file, so that no model has to fit into memory.
 */
#include "program/big_model.h"

#include "program/program.h"

#include <math.h>
#include <unistd.h>

#include "base/dtype.h"

enum { HEAD = 64, TEXT = 128, CHANNELS = 64, TIME = 256 }; /* of the tiny model, but for TIME */

struct writer {
    const struct big_model *m;
    struct buffer header;
    FILE *file; /* NULL while the header is made */
    int64_t bytes;
    uint64_t random;
};

/* In the first round a tensor is an entry of the header, in the second its numbers. */
static void tensor(struct writer *w, const char *name, int64_t rows, int64_t cols) {
    int64_t count = rows * cols, size = count * (w->m->bfloat16 ? 2 : 4);
    if (!w->file) {
        buffer_printf(&w->header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%lld",
                      w->bytes ? "," : "{", name, w->m->bfloat16 ? "BF16" : "F32", (long long)rows);
        if (cols > 1) buffer_printf(&w->header, ",%lld", (long long)cols);
        buffer_printf(&w->header, "],\"data_offsets\":[%lld,%lld]}", (long long)w->bytes,
                      (long long)(w->bytes + size));
        w->bytes += size;
        return;
    }
    float spread = cols > 1 ? 1.0f / sqrtf((float)cols) : 0.1f, centre = cols > 1 ? 0.0f : 1.0f;
    for (int64_t i = 0; i < count; i++) {
        w->random = w->random * 6364136223846793005u + 1442695040888963407u;
        float x = centre + spread * ((float)(w->random >> 40) / (float)(1 << 23) - 1.0f);
        uint16_t half = bf16_from_float(x);
        fwrite(w->m->bfloat16 ? (void *)&half : (void *)&x, w->m->bfloat16 ? 2 : 4, 1, w->file);
    }
}

static void linear(struct writer *w, const char *name, int64_t out, int64_t in) {
    char full[200];
    snprintf(full, sizeof full, "%s.weight", name);
    tensor(w, full, out, in);
    snprintf(full, sizeof full, "%s.bias", name);
    tensor(w, full, out, 1);
}

static void block(struct writer *w, int i) {
    int64_t n = w->m->heads * HEAD;
    const struct {
        const char *name;
        int64_t out, in; /* in 0: a norm */
    } parts[] = {{"img_mod.1", 6 * n, n},
                 {"txt_mod.1", 6 * n, n},
                 {"attn.to_q", n, n},
                 {"attn.to_k", n, n},
                 {"attn.to_v", n, n},
                 {"attn.to_out.0", n, n},
                 {"attn.add_q_proj", n, n},
                 {"attn.add_k_proj", n, n},
                 {"attn.add_v_proj", n, n},
                 {"attn.to_add_out", n, n},
                 {"attn.norm_q", HEAD, 0},
                 {"attn.norm_k", HEAD, 0},
                 {"attn.norm_added_q", HEAD, 0},
                 {"attn.norm_added_k", HEAD, 0},
                 {"img_mlp.net.0.proj", 4 * n, n},
                 {"img_mlp.net.2", n, 4 * n},
                 {"txt_mlp.net.0.proj", 4 * n, n},
                 {"txt_mlp.net.2", n, 4 * n}};
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        char name[200];
        snprintf(name, sizeof name, "transformer_blocks.%d.%s%s", i, parts[k].name,
                 parts[k].in ? "" : ".weight");
        if (parts[k].in)
            linear(w, name, parts[k].out, parts[k].in);
        else
            tensor(w, name, parts[k].out, 1);
    }
}

static void transformer(struct writer *w) {
    int64_t n = w->m->heads * HEAD;
    linear(w, "time_text_embed.timestep_embedder.linear_1", n, TIME);
    linear(w, "time_text_embed.timestep_embedder.linear_2", n, n);
    tensor(w, "txt_norm.weight", TEXT, 1);
    linear(w, "img_in", n, CHANNELS);
    linear(w, "txt_in", n, TEXT);
    for (int i = 0; i < (int)w->m->layers; i++) block(w, i);
    linear(w, "norm_out.linear", 2 * n, n);
    linear(w, "proj_out", CHANNELS, n);
}

int64_t big_model_write(const char *folder, const struct big_model *m) {
    char path[800], number[24];
    struct writer w = {.m = m, .random = 1};
    link_model(folder, TINY_MODEL);
    snprintf(path, sizeof path, "%s/transformer/config.json", folder);
    snprintf(number, sizeof number, "%lld", (long long)m->heads);
    patch_json(path, "num_attention_heads", number);
    snprintf(number, sizeof number, "%lld", (long long)m->layers);
    patch_json(path, "num_layers", number);

    transformer(&w);
    buffer_printf(&w.header, "}");
    while (w.header.size % 8) buffer_printf(&w.header, " ");
    snprintf(path, sizeof path, "%s/transformer/diffusion_pytorch_model.safetensors", folder);
    unlink(path);
    w.file = fopen(path, "wb");
    assert_non_null(w.file);
    uint64_t length = w.header.size;
    fwrite(&length, sizeof length, 1, w.file);
    fwrite(w.header.data, 1, w.header.size, w.file);
    transformer(&w);
    assert_int_equal(fclose(w.file), 0);
    buffer_free(&w.header);
    return w.bytes;
}
