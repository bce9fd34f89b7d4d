/*
 * pull_scene.h - what the tests of pulls share: one stub with two models, a cache for each test, and
 * pulls that have to go well, or to fail with a sentence.
 *
 *     example/tiny     the reference model, with what a pull leaves alone beside it
 *     example/shards   the one with 25 shards and their indexes
 */
#ifndef HUB_PULL_SCENE_H
#define HUB_PULL_SCENE_H

#include "support/unit_test.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hub/pull.h"
#include "support/files.h"
#include "support/hub_stub.h"

#define TINY   "example/tiny"
#define SHARDS "example/shards"
#define BIG    "transformer/diffusion_pytorch_model.safetensors"
#define VAE    "vae/diffusion_pytorch_model.safetensors"
#define SMALL  "model_index.json"

struct pull_scene {
    struct hub_stub stub;
    char *root;  /* what the stub serves */
    char *cache; /* of the running test */
    struct hub_options options;
    struct hub_pull_request request;
    struct hub_pull_result result; /* of the last pull */
    struct error err;
    char notes[8192]; /* every wait and note of the last pull */
    size_t files;     /* that were told */
    atomic_bool cancel;
    uint64_t cancel_at; /* bytes after which it is cancelled; 0: never */
};

extern struct pull_scene scene;

/* cmocka's: the stub, once; before each test no rules, no log, an empty cache; and away with it. */
int pull_scene_enter(void **state);
int pull_scene_reset(void **state);
int pull_scene_end(void **state);
int pull_scene_leave(void **state);

#define PULL_TEST(f) cmocka_unit_test_setup_teardown(f, pull_scene_reset, pull_scene_end)

/* A repository of one file of `bytes`, a multiple of 4, that begins from `seed`: made in the stub's
 * root, as example/NAME. */
void pull_scene_make(const char *name, const char *file, size_t bytes, uint32_t seed);

enum status pull_run(const char *id);
void pull_well(const char *id);                    /* and every byte of it is right */
void pull_badly(const char *id, const char *says); /* and nothing wrong is in the cache */

/* Every file of the last result's snapshot is what the stub serves, in `branch`. */
void assert_right_in(const char *id, const char *branch);

/* Every blob in the cache is what its name says. */
void assert_blobs_right(void);

/* CACHE/models--example--NAME/... , for the id example/NAME; used again after four calls. */
const char *in_repo(const char *id, const char *below);

/* The name of the file's blob, as the snapshot's link says it. */
const char *blob_of(const char *id, const char *path);

#endif
