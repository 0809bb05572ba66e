"""Where a run's time went, for a terminal."""

from __future__ import annotations

from promptdescent.llm.profile import STAGES, Profile

_WORDS = {
    "slot": "waiting for a slot",
    "pace": "waiting for the limits per minute and the caps",
    "record": "putting the attempt on record",
    "model": "with the model",
    "commit": "committing the reply",
    "back-off": "waiting to try again",
}


def profile_text(profile: Profile) -> str:
    """Efficiency, CPU per 1,000 calls, memory, how full the slots were by phase, and what a call waited for."""
    if not profile.calls:
        return "Profile: no call was sent."
    calls, wall, memory = profile.calls, profile.wall_seconds, profile.most_memory()
    lines = [
        f"Profile: {calls:,} calls in {wall:.2f} s, {calls / max(wall, 1e-9):,.0f} a second.",
        f"  efficiency {profile.efficiency:.2f}: the share of the slots' time in which a call was with the model",
        f"  {1000 * profile.cpu_seconds / calls:.2f} s of CPU per 1,000 calls; at most {memory:,.0f} MB of memory",
        "  slots by phase:           seconds   taken   all taken   some   none",
    ]
    for phase, (taken, there, full, some, none) in profile.occupied.items():
        seconds = full + some + none
        shares = [part / seconds if seconds else 0.0 for part in (full, some, none)]
        shown = " ".join(f"{share:>{width}.0%}" for share, width in zip(shares, (11, 6, 6), strict=True))
        lines.append(f"    {phase:<22} {seconds:>9.2f} {taken / there if there else 0:>7.0%} {shown}")
    lines.append("  a call on average:")
    lines += [f"    {1000 * profile.stages[stage] / calls:>10,.1f} ms {_WORDS[stage]}" for stage in STAGES]
    return "\n".join(lines)
