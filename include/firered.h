/*
 * firered.h - edit pictures by instruction, in your own process.
 *
 *     struct firered *engine;
 *     struct error err;
 *     struct firered_options options = {.model = "models/demo"};
 *     if (firered_open(&engine, &options, &err) != STATUS_OK) ...err.text
 *
 *     struct firered_edit edit = {.pictures = &photo, .picture_count = 1, .prompt = "night"};
 *     firered_edit_defaults(engine, &edit);   // the model's steps, guidance_scale, negative_prompt
 *     edit.seed = 42;
 *     struct firered_result result;
 *     if (firered_edit_run(engine, &edit, &result, &err) != STATUS_OK) ...err.text
 *     ... result.picture ...
 *     picture_free(&result.picture);
 *     firered_close(engine);
 *
 * An engine is one loaded model.  Any number of threads may run edits on it at the same time: they
 * share the weights and the cores.  Nothing here prints, exits or keeps global state.
 *
 * The environment variable FIRERED_KERNELS chooses the CPU's kernels where the options do not, for
 * tests and benchmarks: generic, avx2, avx512, avx512-vnni or avx512-bf16; unset, the best that the
 * processor has and the dtype allows.  (avx512-bf16 multiplies in bfloat16 whatever the dtype says.)
 */
#ifndef FIRERED_H
#define FIRERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "firered/picture.h"
#include "firered/status.h"

struct log; /* src/base/log.h; NULL for silence */
struct firered;

/* What the arithmetic and the noise are.  AUTO: as the checkpoint is stored, bfloat16 for 16-bit
 * weights and float32 for 32-bit ones.  BFLOAT16 draws the noise as torch does in bfloat16, and
 * multiplies in bfloat16 where the processor can.  INT8 is BFLOAT16 with the transformer's blocks
 * in 8 bits: the fastest, in the least memory, and not distinguishable from BFLOAT16 by eye. */
enum firered_dtype {
    FIRERED_DTYPE_AUTO,
    FIRERED_DTYPE_FLOAT32,
    FIRERED_DTYPE_BFLOAT16,
    FIRERED_DTYPE_INT8
};
const char *firered_dtype_name(enum firered_dtype t); /* "float32", ... */

/* Whose random numbers the noise is made of: torch.Generator("cpu") or torch.Generator("cuda"). */
enum firered_generator { FIRERED_GENERATOR_CPU, FIRERED_GENERATOR_CUDA };

struct firered_lora {
    const char *path; /* a safetensors file: PEFT, lightx2v or kohya key names */
    double scale;     /* 1.0 is the adapter as trained */
};

enum { FIRERED_MAX_PICTURES = 3, FIRERED_MAX_EXAMPLES = 12 };

/* What an edit may ask for: the sides of a size that is asked for, in pixels; steps; guidance_scale,
 * from 0. */
enum {
    FIRERED_MIN_SIDE = 64,
    FIRERED_MAX_SIDE = 2048,
    FIRERED_MAX_STEPS = 1000,
    FIRERED_MAX_GUIDANCE = 30
};

/* For memory_limit: what the machine and the process's control groups have free at open. */
#define FIRERED_MEMORY_AUTO UINT64_MAX

struct firered_options {
    const char *model;  /* a folder in diffusers layout */
    const char *device; /* "auto", "cpu", "cuda", or "cuda:1" for the second card; NULL: auto */
    enum firered_dtype dtype;
    enum firered_generator generator;
    int threads;                      /* 0: all cores that this process may use */
    const char *kernels;              /* for benchmarks: as FIRERED_KERNELS, which it precedes */
    const struct firered_lora *loras; /* merged into the weights while they load */
    size_t lora_count;
    /* Bytes that packed weights and the working memory of edits may take together; 0: no limit.  If
     * the model does not fit, some of its blocks are read from the files whenever their turn comes:
     * the same pictures, slower. */
    uint64_t memory_limit;
    /* The same for what a card takes of its own memory; 0: what is free there, less a margin. */
    uint64_t device_memory;
    int edits;       /* how many may run at the same time under that limit; 0: one */
    size_t pictures; /* of the edits to come, at most; 0: not known */
    const struct log *log;
    /* Called now and then while loading, with 0.0 to 1.0, from the thread that called
     * firered_open.  May be NULL. */
    void (*loading)(void *arg, double share);
    void *loading_arg;
};

/* What a model is and how it will run; filled by firered_describe.  Strings live as long as the
 * engine. */
struct firered_info {
    const char *model;   /* the folder's name */
    const char *device;  /* "cpu" */
    const char *dtype;   /* "float32", "bfloat16" or "int8" */
    const char *kernels; /* "avx512-bf16", "avx512-vnni", "avx512", "avx2", "generic" */
    int threads;
    int default_steps;             /* of edit_config.json, else a known model's, else 28 */
    double default_guidance_scale; /* likewise, else 7.0; 1.0 where distilled */
    bool has_default_steps, has_default_guidance; /* whether the model has them of its own */
    bool distilled;                               /* always run without guidance */
    int64_t output_area;     /* pixels of an edited picture whose size was not asked for */
    uint64_t weight_bytes;   /* resident for this model's weights */
    uint64_t streamed_bytes; /* of packed weights that are read from the files when needed */
    int64_t parameters;
    size_t example_count; /* prompts that the model's makers show it with: UTF-8, one line each */
    const char *examples[FIRERED_MAX_EXAMPLES];
    const char *note; /* what the model can do, one line; NULL: its makers say nothing */
    int max_pictures; /* that an edit may have: 1 to FIRERED_MAX_PICTURES */
};

enum firered_stage { FIRERED_STAGE_ENCODE, FIRERED_STAGE_DENOISE, FIRERED_STAGE_DECODE };
const char *firered_stage_name(enum firered_stage stage); /* "encode", "denoise", "decode" */

struct firered_progress {
    enum firered_stage stage;
    int step, steps; /* in DENOISE: steps finished so far, of how many */
};

struct firered_edit {
    const struct picture
        *pictures; /* 1 to the model's max_pictures; the last one gives the aspect ratio */
    size_t picture_count;
    /* Pictures whose `rgb` is NULL have only their sides, and their pixels come from here: in the
     * thread that runs the edit, one after the other, each freed before the next.  What a call
     * fails with, the edit fails with. */
    enum status (*read)(void *arg, size_t which, struct picture *out, struct error *err);
    uint64_t read_bytes; /* the most memory that a call takes, the picture included: planned for */
    const char *prompt;  /* UTF-8; special tokens in it are plain text */
    const char *negative_prompt; /* NULL: one space */
    double guidance_scale;       /* true classifier-free guidance; <= 1: none */
    int steps;
    uint64_t seed;
    int width, height; /* both or none (0); rounded down to a multiple of 16 */
    /* The result has exactly the last picture's width and height: edited at the model's size, then
     * resized as Pillow's LANCZOS does.  Not together with width and height. */
    bool input_size;

    /* Both may be NULL; both are called from the thread that runs the edit. */
    void (*progress)(void *arg, const struct firered_progress *now);
    bool (*cancelled)(
        void *arg); /* asked several times per step; true ends the edit with STATUS_CANCELLED */
    void *arg;
};

enum firered_phase {
    FIRERED_PHASE_VISION,
    FIRERED_PHASE_TEXT,
    FIRERED_PHASE_VAE_ENCODE,
    FIRERED_PHASE_DENOISE,
    FIRERED_PHASE_VAE_DECODE,
    FIRERED_PHASES
};

enum firered_operation {
    FIRERED_OPERATION_LINEAR,
    FIRERED_OPERATION_ATTENTION,
    FIRERED_OPERATION_CONV,
    FIRERED_OPERATION_NORM,
    FIRERED_OPERATION_ROTARY,
    FIRERED_OPERATION_ELEMENTWISE,
    FIRERED_OPERATION_TRANSFER, /* to and from a device with memory of its own */
    FIRERED_OPERATIONS
};

struct firered_cost {
    double seconds;
    double flops;    /* of products: two for each multiplication that was needed */
    double bytes;    /* of activations and weights, each read or written once by each operation; a
                        phase's leave out what was transferred */
    uint64_t memory; /* of a phase: the peak of working memory in use, in bytes */
};

struct firered_result {
    struct picture picture; /* the caller's; picture_free */
    int steps;              /* what was used */
    double guidance_scale;
    /* The share of the result's pixels, 0 to 1 in steps of 0.0001, that differ by more than 24 of 255
     * in red, green or blue from the last picture as the model saw it, resized to the result. */
    double change;
    struct firered_cost phases[FIRERED_PHASES];
    struct firered_cost operations[FIRERED_PHASES][FIRERED_OPERATIONS]; /* of each phase */
    double encode_seconds, denoise_seconds,
        decode_seconds; /* ENCODE: preparing without `read`, and the first three phases */
};

/* Maps, checks and packs a model's weights.  Every tensor that the networks need is looked up,
 * by name and shape. STATUS_INVALID: the folder is no model of this kind, or something in it is
 * missing, truncated or corrupt; err names it.  STATUS_UNSUPPORTED: it takes fewer
 * pictures than the edits to come have. STATUS_NO_MEMORY: more than there is or the limit
 * allows, found before anything is loaded. STATUS_IO.  On success *out is the caller's, for
 * firered_close.
 *
 * The files are mapped, and what does not stay in memory is read again by every edit.  One that is
 * written to or shortened meanwhile makes edits fail; replacing it by rename is safe.  So that such
 * a file does not end the process, opening sets a handler for SIGBUS, which passes on what
 * is not about these files. */
enum status firered_open(struct firered **out, const struct firered_options *options,
                         struct error *err);
void firered_close(struct firered *engine); /* NULL is fine; no edit may be running */

void firered_describe(const struct firered *engine, struct firered_info *out);

/* Sets steps, guidance_scale and negative_prompt to the model's defaults. */
void firered_edit_defaults(const struct firered *engine, struct firered_edit *edit);

/* The size that the edited picture will have, in pixels, and the peak of working memory that
 * the edit will take, in bytes, above the weights.  STATUS_INVALID as for firered_edit_run. */
enum status firered_edit_plan(const struct firered *engine, const struct firered_edit *edit,
                              int *width, int *height, uint64_t *bytes, struct error *err);

/* Whether the files that edits read from are still as they were when the engine was opened.
 * STATUS_IO: the sentence names one that was written to, shortened, or cannot be read; every edit
 * fails until the engine is opened anew. */
enum status firered_check_files(const struct firered *engine, struct error *err);

/* Whether the device still computes.  STATUS_DEVICE: it met a fault that it does not recover from, the
 * sentence says which; every edit fails from then on, and only a new process helps. */
enum status firered_check_device(const struct firered *engine, struct error *err);

/* Runs the smallest edit that there is, so that the first one that is asked for is as fast as those
 * after it, and measures the speed.  Before any other edit runs.  Errors as firered_edit_run's. */
enum status firered_warm_up(struct firered *engine, struct error *err);

/* Whether the working memory of an edit that asks for nothing, at its longest, can be had as things
 * are: within the memory limit, the limits of the process, and what is free.  While no edit runs.
 * STATUS_NO_MEMORY: not; the sentence says by how much. */
enum status firered_check_room(const struct firered *engine, int steps, double guidance_scale,
                               struct error *err);

/* An edit that asks for nothing: of one picture of the model's own size, with a sentence. */
struct firered_estimate {
    int width, height; /* of the picture and the result */
    double flops;      /* of products: two for each multiplication */
    double seconds; /* when nothing else runs, at the speed that firered_warm_up measured; else 0 */
};
/* For that many steps at that guidance_scale.  STATUS_NO_MEMORY. */
enum status firered_estimate(const struct firered *engine, int steps, double guidance_scale,
                             struct firered_estimate *out, struct error *err);

/* Runs one edit in the calling thread, with the engine's pool beside it. STATUS_INVALID: the
 * request (counts, sizes, encoding, a prompt over 1024 tokens); STATUS_NO_MEMORY: the working
 * memory is not there or beyond the limit, found before the work starts; STATUS_CANCELLED; STATUS_NOT_FINITE: the
 * result has NaN or Inf; STATUS_IO as firered_check_files. When it fails, *result is empty. */
enum status firered_edit_run(struct firered *engine, const struct firered_edit *edit,
                             struct firered_result *result, struct error *err);

/* Checks a model folder without loading it: configs, and every tensor by name and
 * shape, in a second even for the full model; then plans its memory: weights, and the working
 * memory of an edit of the model's own size, under the memory limit if there is one.  Writes a report of
 * lines of text, for `firered info`, to *report (malloc'ed, the caller frees it); at last, the
 * tokenizer.  Errors as firered_open; when it fails *report is NULL, but for the tokenizer's errors. */
enum status firered_inspect(const struct firered_options *options, char **report,
                            struct error *err);

#endif
