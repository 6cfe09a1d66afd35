"""Training of the same decoder in PyTorch, to hold bench/training.cs against: tokens per second, and the share of the matrix products of the same minutes.

    apt-get install python3-torch
    python3 bench/training-peer.py bench/training-peer.json [--rounds 3] [--steps 10] [--threads 1]
    dotnet run -c Release bench/training.cs -- bench/training-peer.json

Debian's PyTorch takes memory of large tensors from the kernel anew for each; hadal-train tells malloc to keep it. To measure both alike:

    MALLOC_ARENA_MAX=1 MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=2147483647 MALLOC_TOP_PAD_=67108864 OMP_WAIT_POLICY=passive python3 bench/training-peer.py …

Multi-head latent attention in its expanded form, sigmoid routing with two experts a token (tokens sorted by expert, one product each), RMS norms, SwiGLU, tied head, AdamW; bfloat16 by
autocast, random tokens. No prediction layer and no indexer: both sides leave them out.
"""
import argparse, json, re, time
import torch, torch.nn as nn, torch.nn.functional as F

args = argparse.ArgumentParser()
args.add_argument("config")
for name, value in (("rounds", 3), ("steps", 10), ("threads", 1), ("warmup", 3)):
    args.add_argument("--" + name, type=int, default=value)
args = args.parse_args()
torch.set_num_threads(args.threads)
run = json.loads(re.sub(r"^\s*//.*$", "", open(args.config, encoding="utf-8").read(), flags=re.M))
c, length, batch = run["model"], run["sequence_length"], run["batch_sequences"]
vocabulary = run["tokenizer"]["vocab_size"]
heads, nope, rope, value, latent = (c[key] for key in ("num_attention_heads", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "kv_lora_rank"))


class Norm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        x = x.float()
        return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)) * self.weight


def linear(inputs, outputs):
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=0.02)
    return layer


angles = torch.arange(length)[:, None] / c["rope_theta"] ** (torch.arange(0, rope, 2) / rope)
cosine, sine = angles.cos()[None, :, None], angles.sin()[None, :, None]


def rotate(x):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cosine - odd * sine, even * sine + odd * cosine), -1).flatten(-2).to(x.dtype)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        hidden, rank = c["hidden_size"], c["q_lora_rank"]
        self.q_a, self.q_norm, self.q_b = linear(hidden, rank), Norm(rank), linear(rank, heads * (nope + rope))
        self.kv_a, self.kv_norm, self.kv_b = linear(hidden, latent + rope), Norm(latent), linear(latent, heads * (nope + value))
        self.o = linear(heads * value, hidden)
        self.register_buffer("mask", torch.full((length, length), float("-inf")).triu(1))

    def forward(self, x):
        b, t, _ = x.shape
        q_nope, q_rope = self.q_b(self.q_norm(self.q_a(x))).view(b, t, heads, nope + rope).split([nope, rope], -1)
        compressed, k_rope = self.kv_a(x).split([latent, rope], -1)
        k_nope, v = self.kv_b(self.kv_norm(compressed)).view(b, t, heads, nope + value).split([nope, value], -1)
        q = torch.cat((q_nope, rotate(q_rope)), -1).transpose(1, 2)
        k = torch.cat((k_nope, rotate(k_rope.unsqueeze(2)).expand(b, t, heads, rope)), -1).transpose(1, 2)
        scores = (q * (nope + rope) ** -0.5) @ k.transpose(-2, -1) + self.mask.to(q.dtype)
        return self.o((scores.softmax(-1).to(v.dtype) @ v.transpose(1, 2)).transpose(1, 2).reshape(b, t, heads * value))


class FeedForward(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.gate, self.up, self.down = linear(c["hidden_size"], width), linear(c["hidden_size"], width), linear(width, c["hidden_size"])

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Experts(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = linear(c["hidden_size"], c["n_routed_experts"])
        self.experts = nn.ModuleList(FeedForward(c["moe_intermediate_size"]) for _ in range(c["n_routed_experts"]))
        self.shared = FeedForward(c["n_shared_experts"] * c["moe_intermediate_size"])

    def forward(self, x):
        rows, chosen = x.reshape(-1, x.shape[-1]), c["num_experts_per_tok"]
        scores = F.linear(rows.float(), self.gate.weight).sigmoid()
        weights, indices = scores.topk(chosen, -1)
        weights = weights / weights.sum(-1, keepdim=True)
        order = indices.flatten().argsort(stable=True)
        parts = rows[order // chosen].split(indices.flatten().bincount(minlength=len(self.experts)).tolist())
        sorted_out = torch.cat([expert(part) for expert, part in zip(self.experts, parts)])
        unsorted = torch.empty_like(sorted_out).index_copy(0, order, sorted_out).view(-1, chosen, rows.shape[-1])
        return ((unsorted * weights.unsqueeze(-1)).sum(1) + self.shared(rows)).view(x.shape)


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, c["hidden_size"])
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.layers = nn.ModuleList(
            nn.ModuleList((Norm(c["hidden_size"]), Attention(), Norm(c["hidden_size"]), FeedForward(c["intermediate_size"]) if i < c["first_k_dense_replace"] else Experts()))
            for i in range(c["num_hidden_layers"]))
        self.norm = Norm(c["hidden_size"])

    def forward(self, ids):
        x = self.embedding(ids)
        for before, attention, after, mlp in self.layers:
            x = x + attention(before(x))
            x = x + mlp(after(x))
        return F.linear(self.norm(x), self.embedding.weight)


def products():
    a, b = torch.randn(1024, 1024).bfloat16(), torch.randn(1024, 1024).bfloat16()
    a @ b
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < 1:
        a @ b
        count += 1
    return count * 2 * 1024**3 / (time.perf_counter() - begin) / 1e9


torch.manual_seed(1)
model = Decoder()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.1)
data = torch.randint(0, vocabulary, (args.rounds * args.steps + 1, batch, length + 1))
active = sum(p.numel() * (c["num_experts_per_tok"] / c["n_routed_experts"] if ".experts." in name else 1) for name, p in model.named_parameters() if p.dim() == 2)
operations = 6 * (active + c["num_hidden_layers"] * heads * (nope + rope + value) * (length + 1) / 2)


def step(ids):
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(ids[:, :-1])
    F.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten()).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


for _ in range(args.warmup):
    step(data[-1])
peaks, speeds = [products()], []
for r in range(args.rounds):
    begin = time.perf_counter()
    for s in range(args.steps):
        step(data[r * args.steps + s])
    speeds.append(args.steps * batch * length / (time.perf_counter() - begin))
    peaks.append(products())
speed, peak = sorted(speeds)[len(speeds) // 2], sorted(peaks)[len(peaks) // 2]
print(f"PyTorch {torch.__version__}, bfloat16, {args.threads} threads: {speed:.0f} tokens/s x {operations / 1e6:.2f} MFLOP = {speed * operations / 1e9:.1f} GFLOP/s, products {peak:.1f} GFLOP/s, share {speed * operations / 1e9 / peak:.0%}")
