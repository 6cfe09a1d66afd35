using System.Globalization;

namespace Hadal.Inference.Grammars.Json;

/// <content>Arrays and objects of which something is counted: a state for each count.</content>
internal sealed partial class JsonGrammarWriter
{
    /// <summary>Arrays in which some items must satisfy schemas: a state for each number of items and of matches of each schema.</summary>
    private sealed class CountedArray(JsonGrammarWriter writer, ArrayForm shape, IReadOnlyList<ContainsForm> contains)
    {
        /// <summary>Each item may match any set of them.</summary>
        private const int ContainsMax = 4;

        private readonly Dictionary<(int Items, int Matches), GrammarNode> _states = [];
        private readonly Queue<(int Items, int Matches)> _pending = [];
        private readonly int _itemCap = ItemCap(shape, contains);
        private readonly int _number = writer._counted++;

        /// <summary>Those conditions of a shape that can be counted together. The others are refused, or left out in best effort.</summary>
        public static List<ContainsForm> Enforced(SchemaExpander expander, ArrayForm shape)
        {
            var contains = shape.Contains.ToList();
            while (contains.Count > ContainsMax || contains.Aggregate(ItemCap(shape, contains) + 1L, (states, c) => Math.Min(states, CountedNodesMax + 1) * (Cap(c) + 1L)) is > CountedNodesMax && contains.Count > 0)
            {
                var counts = string.Join(", ", contains.Select(c => string.Create(CultureInfo.InvariantCulture, $"{Cap(c)} of {c.Place}")));
                expander.Refuse(
                    contains[^1].Place,
                    string.Create(CultureInfo.InvariantCulture, $"counts of items that match cannot be enforced ({counts}, in arrays of {ItemCap(shape, contains)} items); up to {ContainsMax} can, whose product goes up to {CountedNodesMax}"),
                    "give fewer or smaller ones, or ask for best effort");
                contains.RemoveAt(contains.Count - 1);
            }

            return contains;
        }

        public GrammarNode Write()
        {
            var start = State((0, 0));
            while (_pending.TryDequeue(out var at))
            {
                writer._builder.Define(_states[at], Body(at.Items, at.Matches));
            }

            return start;
        }

        /// <summary>Matches that are told apart.</summary>
        private static int Cap(ContainsForm contains) => contains.Max ?? contains.Min;

        private static int ItemCap(ArrayForm shape, IEnumerable<ContainsForm> contains) =>
            Math.Max(1, Math.Max(contains.Select(c => c.From).Append(shape.Prefix.Count).Max(), shape.Max ?? shape.Min));

        private GrammarNode State((int Items, int Matches) at)
        {
            if (!_states.TryGetValue(at, out var rule))
            {
                rule = writer._builder.Rule($"{writer._prefix}items {_number}.{_states.Count}");
                _states.Add(at, rule);
                _pending.Enqueue(at);
            }

            return rule;
        }

        private GrammarNode Body(int items, int matches)
        {
            var options = new List<GrammarNode>();
            var counts = Counts(matches);
            if (items >= shape.Min && contains.Select((c, i) => counts[i] >= c.Min).All(isMet => isMet))
            {
                options.Add(writer.Mark("]"));
            }

            if (!(items >= shape.Max))
            {
                AddItems(options, items, shape.At(items), counts, 0);
            }

            return writer._builder.Choice(options.ToArray());
        }

        /// <summary>The next item, for each set of the conditions from index <paramref name="from"/> on that it may meet.</summary>
        private void AddItems(List<GrammarNode> options, int items, SchemaTerm item, int[] counts, int from)
        {
            if (from == contains.Count)
            {
                var next = Math.Min(items + 1, shape.Max is null ? _itemCap : int.MaxValue);
                options.Add(writer._builder.Sequence(items == 0 ? GrammarNode.Empty : writer.Mark(","), writer.Value(item), State((next, Matches(counts)))));
                return;
            }

            var (condition, terms) = (contains[from], writer._expander.Terms);
            var isCounted = items >= condition.From;
            if (isCounted && counts[from] < Cap(condition))
            {
                int[] more = [.. counts];
                more[from]++;
                AddItems(options, items, terms.And(item, condition.Item), more, from + 1);
            }

            // What need not be counted may match; where too many are forbidden, what is not counted must not.
            AddItems(options, items, isCounted && condition.Max is not null ? terms.And(item, terms.Not(condition.Item)) : item, counts, from + 1);
        }

        private int Matches(int[] counts)
        {
            var matches = 0;
            for (var i = contains.Count - 1; i >= 0; i--)
            {
                matches = matches * (Cap(contains[i]) + 1) + counts[i];
            }

            return matches;
        }

        private int[] Counts(int matches)
        {
            var counts = new int[contains.Count];
            for (var i = 0; i < counts.Length; i++)
            {
                (matches, counts[i]) = Math.DivRem(matches, Cap(contains[i]) + 1);
            }

            return counts;
        }
    }

    /// <summary>Objects of which the number of properties is bounded, or of which some must be of a kind: a state for each count.</summary>
    private sealed class CountedObject(JsonGrammarWriter writer, ObjectForm shape, List<PropertyForm> named, List<KeyForm> others)
    {
        private readonly Dictionary<(int Index, int Count, int Seen), GrammarNode> _states = [];
        private readonly Queue<(int Index, int Count, int Seen)> _pending = [];
        private readonly int _cap = shape.Max is { } max ? max + 1 : shape.Min;
        private readonly int _allSeen = (1 << shape.Some.Count) - 1;
        private readonly int _number = writer._counted++;

        public GrammarNode Write()
        {
            if (shape.Some.Count > 5 || (named.Count + 1L) * (Math.Min(_cap, named.Count + (others.Count > 0 ? _cap : 0)) + 1L) * (_allSeen + 1) > CountedNodesMax)
            {
                throw new GrammarException($"JSON Schema: the count of {named.Count} properties up to {_cap} cannot be enforced; the product goes up to {CountedNodesMax}");
            }

            var start = State((0, 0, 0));
            while (_pending.TryDequeue(out var at))
            {
                writer._builder.Define(_states[at], Body(at));
            }

            return start;
        }

        private GrammarNode State((int Index, int Count, int Seen) at)
        {
            if (!_states.TryGetValue(at, out var rule))
            {
                rule = writer._builder.Rule($"{writer._prefix}properties {_number}.{_states.Count}");
                _states.Add(at, rule);
                _pending.Enqueue(at);
            }

            return rule;
        }

        private GrammarNode Body((int Index, int Count, int Seen) at)
        {
            var options = new List<GrammarNode>();
            var builder = writer._builder;
            var next = Math.Min(at.Count + 1, Math.Max(_cap, 1));
            var isFull = at.Count >= shape.Max;
            if (at.Index < named.Count)
            {
                var property = named[at.Index];
                if (!isFull)
                {
                    options.Add(builder.Sequence(writer.Property(property, at.Count == 0), State((at.Index + 1, next, at.Seen))));
                }

                if (!property.IsRequired)
                {
                    options.Add(State((at.Index + 1, at.Count, at.Seen)));
                }

                return builder.Choice(options.ToArray());
            }

            if (at.Count >= shape.Min && at.Seen == _allSeen)
            {
                options.Add(writer.Mark("}"));
            }

            if (!isFull)
            {
                foreach (var kind in others)
                {
                    AddOthers(options, at.Count == 0, kind, at with { Count = next }, 0);
                }
            }

            return builder.Choice(options.ToArray());
        }

        /// <summary>A property that is not named, for each set of the needs that it may meet from index <paramref name="from"/> on.</summary>
        private void AddOthers(List<GrammarNode> options, bool isFirst, KeyForm kind, (int Index, int Count, int Seen) after, int from)
        {
            options.Add(writer._builder.Sequence(writer.Other(kind, isFirst), State(after)));
            for (var i = from; i < shape.Some.Count; i++)
            {
                var keys = writer._pool.And(kind.Keys, shape.Some[i].Keys);
                if ((after.Seen >> i & 1) == 0 && !writer._pool.IsNothing(keys))
                {
                    var both = new KeyForm(keys, writer._expander.Terms.And(kind.Value, shape.Some[i].Value));
                    AddOthers(options, isFirst, both, after with { Seen = after.Seen | 1 << i }, i + 1);
                }
            }
        }
    }
}
