// Times llama.cpp, or ik_llama.cpp with -DIK, through its library: one prompt, then single tokens at a depth, all on random tokens.
//   peer-bench MODEL --threads N --prompt N --generate N --depth N [--flash 0|1] [--cache f16|q8_0] [--repack 0|1] [--mla N]
// Measures one round for each line on standard input and prints it as {"prefill_tokens_per_second":N,"decode_tokens_per_second":N}, null where nothing was asked,
// as hadal bench --turns does. The context is filled to its depth when the first begins, which is slow.
#include "llama.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

static void quiet(ggml_log_level level, const char * text, void *) {
    if (level == GGML_LOG_LEVEL_ERROR) fputs(text, stderr);
}

static bool decode(llama_context * context, llama_token * tokens, int count, int position) {
#ifdef IK
    return llama_decode(context, llama_batch_get_one(tokens, count, position, 0)) == 0;
#else
    (void) position;
    return llama_decode(context, llama_batch_get_one(tokens, count)) == 0;
#endif
}

// In pieces of n_batch tokens; logits of the last token only, as a generation needs them.
static bool prompt(llama_context * context, std::vector<llama_token> & tokens, int begin, int count) {
    for (int at = begin; at < begin + count; at += 2048)
        if (!decode(context, tokens.data() + at, std::min(2048, begin + count - at), at)) return false;
    return true;
}

static void print(const char * name, double rate) {
    if (rate > 0) printf("\"%s_tokens_per_second\":%.3f", name, rate);
    else printf("\"%s_tokens_per_second\":null", name);
}

int main(int argc, char ** argv) {
    int threads = 2, prompt_count = 0, generate = 0, depth = 0, flash = 0, repack = 0, mla = 0;
    std::string cache = "f16";
    for (int i = 2; i + 1 < argc; i += 2) {
        const std::string key = argv[i];
        if (key == "--threads") threads = atoi(argv[i + 1]);
        else if (key == "--prompt") prompt_count = atoi(argv[i + 1]);
        else if (key == "--generate") generate = atoi(argv[i + 1]);
        else if (key == "--depth") depth = atoi(argv[i + 1]);
        else if (key == "--flash") flash = atoi(argv[i + 1]);
        else if (key == "--repack") repack = atoi(argv[i + 1]);
        else if (key == "--mla") mla = atoi(argv[i + 1]);
        else if (key == "--cache") cache = argv[i + 1];
        else { fprintf(stderr, "unknown option %s\n", argv[i]); return 2; }
    }
    llama_log_set(quiet, nullptr);
    llama_backend_init();
    auto model_params = llama_model_default_params();
    auto params = llama_context_default_params();
#ifdef IK
    model_params.repack_tensors = repack;
    model_params.use_mmap = !repack;
    model_params.mla = mla;
    params.mla_attn = mla;
    params.fused_moe_up_gate = true;
#else
    (void) repack; (void) mla;
#endif
    auto * model = llama_model_load_from_file(argv[1], model_params);
    if (!model) { fprintf(stderr, "cannot load %s\n", argv[1]); return 1; }
    const int total = depth + std::max(prompt_count, generate) + 1;
    params.n_ctx = (total + 255) / 256 * 256;
    params.n_batch = 2048;
    params.n_ubatch = 512;
    params.n_threads = params.n_threads_batch = threads;
    params.flash_attn = flash;
    params.type_k = params.type_v = cache == "q8_0" ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
    auto * context = llama_init_from_model(model, params);
    if (!context) { fprintf(stderr, "no context\n"); return 1; }
#ifdef IK
    const int vocabulary = llama_n_vocab(model);
#else
    const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
#endif
    std::vector<llama_token> tokens(total);
    srand(1);
    for (auto & token : tokens) token = rand() % vocabulary;
    bool filled = depth == 0;
    while (getchar() != EOF) { // a line is its end only
        if (!filled && !prompt(context, tokens, 0, depth)) return 1;
        filled = true;
        double prefill = 0, decoded = 0;
        if (prompt_count > 0) {
            llama_kv_cache_seq_rm(context, 0, depth, -1);
            const double start = now();
            if (!prompt(context, tokens, depth, prompt_count)) return 1;
            prefill = prompt_count / (now() - start);
        }
        if (generate > 0) {
            llama_kv_cache_seq_rm(context, 0, depth, -1);
            const double start = now();
            for (int i = 0; i < generate; i++)
                if (!decode(context, tokens.data() + depth + i, 1, depth + i)) return 1;
            decoded = generate / (now() - start);
        }
        printf("{");
        print("prefill", prefill);
        printf(",");
        print("decode", decoded);
        printf("}\n");
        fflush(stdout);
    }
    llama_free(context);
    return 0;
}
