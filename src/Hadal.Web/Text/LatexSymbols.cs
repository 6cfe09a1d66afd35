namespace Hadal.Web.Text;

/// <summary>Commands of LaTeX that stand for one sign.</summary>
internal static class LatexSymbols
{
    /// <summary>Letters and signs that name something.</summary>
    public static readonly Dictionary<string, string> Identifiers = Pairs(
        "alpha α beta β gamma γ delta δ epsilon ϵ varepsilon ε zeta ζ eta η theta θ vartheta ϑ iota ι kappa κ lambda λ mu μ nu ν xi ξ omicron ο pi π varpi ϖ rho ρ varrho ϱ sigma σ varsigma ς tau τ upsilon υ phi ϕ "
        + "varphi φ chi χ psi ψ omega ω Gamma Γ Delta Δ Theta Θ Lambda Λ Xi Ξ Pi Π Sigma Σ Upsilon Υ Phi Φ Psi Ψ Omega Ω infty ∞ partial ∂ nabla ∇ ell ℓ hbar ℏ Re ℜ Im ℑ aleph ℵ emptyset ∅ varnothing ∅ wp ℘ "
        + "imath ı jmath ȷ top ⊤ bot ⊥ angle ∠ triangle △ square □ Box □ blacksquare ■ dagger † ddagger ‡ degree ° checkmark ✓ star ⋆ prime ′ cdots ⋯ ldots … dots … dotsc … dotsb ⋯ vdots ⋮ ddots ⋱ infin ∞ % % # # $ $ & & _ _");

    /// <summary>Signs that stand between or in front of things.</summary>
    public static readonly Dictionary<string, string> Operators = Pairs(
        "pm ± mp ∓ times × div ÷ cdot ⋅ ast ∗ circ ∘ bullet ∙ oplus ⊕ ominus ⊖ otimes ⊗ odot ⊙ wedge ∧ land ∧ vee ∨ lor ∨ neg ¬ lnot ¬ cap ∩ cup ∪ setminus ∖ subset ⊂ supset ⊃ subseteq ⊆ supseteq ⊇ subsetneq ⊊ in ∈ "
        + "notin ∉ ni ∋ forall ∀ exists ∃ nexists ∄ le ≤ leq ≤ leqslant ⩽ ge ≥ geq ≥ geqslant ⩾ ll ≪ gg ≫ ne ≠ neq ≠ approx ≈ sim ∼ simeq ≃ cong ≅ equiv ≡ propto ∝ doteq ≐ prec ≺ succ ≻ preceq ⪯ succeq ⪰ mid ∣ nmid ∤ "
        + "parallel ∥ perp ⊥ vdash ⊢ dashv ⊣ models ⊨ to → rightarrow → leftarrow ← gets ← leftrightarrow ↔ Rightarrow ⇒ Leftarrow ⇐ Leftrightarrow ⇔ implies ⟹ impliedby ⟸ iff ⟺ longrightarrow ⟶ longleftarrow ⟵ "
        + "Longrightarrow ⟹ mapsto ↦ longmapsto ⟼ uparrow ↑ downarrow ↓ updownarrow ↕ Uparrow ⇑ Downarrow ⇓ nearrow ↗ searrow ↘ hookrightarrow ↪ rightharpoonup ⇀ rightleftharpoons ⇌ therefore ∴ because ∵ colon : "
        + "lvert | rvert | lVert ‖ rVert ‖ vert | Vert ‖ | ‖ langle ⟨ rangle ⟩ lceil ⌈ rceil ⌉ lfloor ⌊ rfloor ⌋ lbrace { rbrace } { { } } lbrack [ rbrack ] backslash \\ coloneqq ≔ triangleq ≜ bowtie ⋈ ltimes ⋉ rtimes ⋊ sqcup ⊔ sqcap ⊓ uplus ⊎ amalg ⨿ diamond ⋄ wr ≀");

    /// <summary>Large signs whose bounds stand above and below where there is room.</summary>
    public static readonly Dictionary<string, string> Sums = Pairs("sum ∑ prod ∏ coprod ∐ bigcup ⋃ bigcap ⋂ bigoplus ⨁ bigotimes ⨂ bigvee ⋁ bigwedge ⋀ biguplus ⨄ bigsqcup ⨆");

    /// <summary>Integrals, whose bounds stand beside them.</summary>
    public static readonly Dictionary<string, string> Integrals = Pairs("int ∫ iint ∬ iiint ∭ oint ∮");

    /// <summary>Functions, written upright.</summary>
    public static readonly HashSet<string> Functions =
        [.. "sin cos tan cot sec csc sinh cosh tanh coth arcsin arccos arctan exp ln log lg dim ker deg arg hom erf".Split(' ')];

    /// <summary>Functions whose bounds stand below them.</summary>
    public static readonly HashSet<string> Limits = [.. "lim max min sup inf limsup liminf argmax argmin det gcd Pr".Split(' ')];

    /// <summary>Marks above a letter.</summary>
    public static readonly Dictionary<string, string> Accents = Pairs(
        "hat ^ widehat ^ bar ¯ overline ¯ vec → overrightarrow → dot ˙ ddot ¨ tilde ~ widetilde ~ check ˇ breve ˘ acute ´ grave ` mathring ˚ overbrace ⏞");

    /// <summary>Marks below.</summary>
    public static readonly Dictionary<string, string> Below = Pairs("underline _ underbrace ⏟");

    /// <summary>Spaces, in eighteenths of an em.</summary>
    public static readonly Dictionary<string, int> Spaces = new(StringComparer.Ordinal)
    {
        [","] = 3, [":"] = 4, [">"] = 4, [";"] = 5, ["!"] = -3, [" "] = 6, ["\n"] = 6, ["quad"] = 18, ["qquad"] = 36, ["enspace"] = 9, ["thinspace"] = 3,
    };

    /// <summary>What changes nothing that can be seen here.</summary>
    public static readonly HashSet<string> Silent =
        [.. "displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits nonumber notag hline big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm rm it bf cal".Split(' ')];

    /// <summary>Letters in another style: the first of the capitals, of the small letters and of the digits. Some letters have older places.</summary>
    public static readonly Dictionary<string, (int Capital, int Small, int Digit)> Alphabets = new(StringComparer.Ordinal)
    {
        ["mathbf"] = (0x1D400, 0x1D41A, 0x1D7CE), ["boldsymbol"] = (0x1D468, 0x1D482, 0x1D7CE), ["bm"] = (0x1D468, 0x1D482, 0x1D7CE), ["mathbb"] = (0x1D538, 0x1D552, 0x1D7D8), ["mathcal"] = (0x1D49C, 0x1D4B6, 0),
        ["mathscr"] = (0x1D49C, 0x1D4B6, 0), ["mathfrak"] = (0x1D504, 0x1D51E, 0), ["mathsf"] = (0x1D5A0, 0x1D5BA, 0x1D7E2), ["mathtt"] = (0x1D670, 0x1D68A, 0x1D7F6),
    };

    /// <summary>Letters that had a place before the alphabets did.</summary>
    public static readonly Dictionary<int, int> OlderPlaces = new()
    {
        [0x1D53A] = 'ℂ', [0x1D53F] = 'ℍ', [0x1D545] = 'ℕ', [0x1D547] = 'ℙ', [0x1D548] = 'ℚ', [0x1D549] = 'ℝ', [0x1D551] = 'ℤ', [0x1D49D] = 'ℬ', [0x1D4A0] = 'ℰ', [0x1D4A1] = 'ℱ', [0x1D4A3] = 'ℋ', [0x1D4A4] = 'ℐ',
        [0x1D4A7] = 'ℒ', [0x1D4A8] = 'ℳ', [0x1D4AD] = 'ℛ', [0x1D4BA] = 'ℯ', [0x1D4BC] = 'ℊ', [0x1D4C4] = 'ℴ', [0x1D506] = 'ℭ', [0x1D50B] = 'ℌ', [0x1D50C] = 'ℑ', [0x1D515] = 'ℜ', [0x1D51D] = 'ℨ',
    };

    private static Dictionary<string, string> Pairs(string list)
    {
        var words = list.Split(' ');
        var pairs = new Dictionary<string, string>(StringComparer.Ordinal);
        for (var i = 0; i < words.Length; i += 2) pairs.Add(words[i], words[i + 1]);
        return pairs;
    }
}
