/*
 * Both digests are libcrypto's.
 */
#include "hub/hash.h"

#include <openssl/evp.h>
#include <stdio.h>

/* The struct is libcrypto's own. */
#define CONTEXT(h) ((EVP_MD_CTX *)(h))

enum status hub_hash_create(struct hub_hash **out, const struct hub_file *file, struct error *err) {
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    *out = (struct hub_hash *)context;
    if (!context || EVP_DigestInit_ex(context, file->lfs ? EVP_sha256() : EVP_sha1(), NULL) != 1) {
        EVP_MD_CTX_free(context);
        *out = NULL;
        return fail(err, STATUS_NO_MEMORY, "no memory for a hash");
    }
    char head[40];
    int n = snprintf(head, sizeof head, "blob %llu", (unsigned long long)file->size);
    if (!file->lfs) hub_hash_add(*out, head, (size_t)n + 1);
    return STATUS_OK;
}

void hub_hash_add(struct hub_hash *h, const void *bytes, size_t size) {
    if (size) EVP_DigestUpdate(CONTEXT(h), bytes, size);
}

void hub_hash_end(struct hub_hash *h, char digits[HUB_HASH_SIZE]) {
    unsigned char value[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    digits[0] = '\0';
    if (!h) return;
    if (EVP_DigestFinal_ex(CONTEXT(h), value, &size) != 1) size = 0;
    for (unsigned i = 0; i < size && i < 32; i++) snprintf(digits + 2 * i, 3, "%02x", value[i]);
    EVP_MD_CTX_free(CONTEXT(h));
}
