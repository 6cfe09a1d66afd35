#!/usr/bin/env bash
# Builds what bench/peers.cs compares with, outside the repository: build.sh FOLDER
# FOLDER/src/llama.cpp and FOLDER/src/ik_llama.cpp hold the public sources (git clone them there; results name the commits). Needs g++, cmake and make.
# One change is made to them: DeepSeek-V2-Lite is known by its missing q_lora_rank and not only by its 27 layers, so that a shape with fewer layers opens.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=${1:?usage: build.sh FOLDER}
for name in llama.cpp ik_llama.cpp; do
    source=$folder/src/$name
    [ -d "$source" ] || { echo "$source: expected the sources of $name"; exit 1; }
    find "$source/src" -name '*.cpp' -exec sed -i 's/\(hparams\.n_layer == 27\)\b\( || hparams\.n_layer < 27\)\?/\1 || hparams.n_layer < 27/' {} +
    cmake -S "$source" -B "$folder/$name" -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=ON -DLLAMA_CURL=OFF -DGGML_OPENMP=ON > /dev/null
    cmake --build "$folder/$name" --target llama -j "${JOBS:-2}"
    define=; [ $name = ik_llama.cpp ] && define=-DIK
    # The order of archives matters to the linker; the group lets it look again.
    g++ -O2 -std=c++17 $define -I "$source/include" -I "$source/ggml/include" "$here/peer-bench.cpp" -o "$folder/peer-${name%.cpp}" \
        -Wl,--start-group $(find "$folder/$name/src" "$folder/$name/ggml" -name '*.a') -Wl,--end-group -fopenmp -lpthread -ldl
done
