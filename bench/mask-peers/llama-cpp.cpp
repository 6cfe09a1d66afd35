// llama.cpp's side of mask-peers.cs: runs cases by the rules of MaskBench (maskbench/llamacpp_engine.py) and appends one line of JSON for each.
//   llama-cpp MODEL CASES FIRST OUT EVERY
// A mask over the whole vocabulary costs milliseconds there, so that it is computed for every EVERY-th case only; for the others each token is asked alone,
// which gives the same answer: the grammar judges candidates one by one.
#include <chrono>
#include <fstream>
#include <vector>

#include "json-schema-to-grammar.h"
#include "llama.h"

using json = nlohmann::ordered_json;
using clock_type = std::chrono::steady_clock;

static double microseconds(clock_type::time_point start) { return std::chrono::duration<double, std::micro>(clock_type::now() - start).count(); }

static json run(const llama_vocab * vocab, const json & test_case, bool whole) {
    std::vector<double> times;
    const auto start = clock_type::now();
    llama_sampler * sampler = nullptr;
    try {
        const auto grammar = json_schema_to_grammar(json::parse(test_case["schema"].get<std::string>()));
        sampler = llama_sampler_init_grammar(vocab, grammar.c_str(), "root");
    } catch (const std::exception &) {
    }
    if (sampler == nullptr) return {{"result", "compile error"}, {"first_us", 0}, {"mask_us", times}};
    const auto first = microseconds(start);

    std::vector<llama_token_data> candidates(whole ? llama_vocab_n_tokens(vocab) : 1);
    std::string result = "passing";
    for (const auto & test : test_case["tests"]) {
        bool accepted = true;
        try {
            llama_sampler_reset(sampler);
            for (const llama_token token : test["tokens"]) {
                const auto before = clock_type::now();
                for (size_t id = 0; id < candidates.size(); id++) candidates[id] = {whole ? (llama_token) id : token, 0.0f, 0.0f};
                llama_token_data_array array = {candidates.data(), candidates.size(), -1, false};
                llama_sampler_apply(sampler, &array);
                accepted = candidates[whole ? token : 0].logit >= 0;
                if (accepted) llama_sampler_accept(sampler, token);
                if (whole) times.push_back(microseconds(before));
                if (!accepted) break;
            }
            if (accepted && !test["valid"].get<bool>()) result = "invalidation error";
            else if (!accepted && test["valid"].get<bool>()) result = "validation error";
        } catch (const std::exception &) {
            result = "validation error";
        }
    }
    llama_sampler_free(sampler);
    return {{"result", result}, {"first_us", first}, {"mask_us", times}};
}

int main(int argc, char ** argv) {
    if (argc != 6) return 2;
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    llama_backend_init();
    auto parameters = llama_model_default_params();
    parameters.vocab_only = true;
    llama_model * model = llama_model_load_from_file(argv[1], parameters);
    if (model == nullptr) return 1;

    std::ifstream cases(argv[2]);
    std::ofstream out(argv[4], std::ios::app);
    const int first = std::stoi(argv[3]), every = std::stoi(argv[5]);
    std::string line;
    for (int index = 0; std::getline(cases, line); index++) {
        if (index < first) continue;
        auto outcome = run(llama_model_get_vocab(model), json::parse(line), index % every == 0);
        outcome["index"] = index;
        out << outcome.dump() << std::endl;
    }
    return 0;
}
