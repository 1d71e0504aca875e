"""Text without what a harness or a benchmark template wrapped around it.

Two things are taken out: blocks that a coding harness slips into the user's turn
(`<system-reminder>…</system-reminder>`), and the answer-format lines that close a multiple-choice
prompt ("Answer:", "Respond with only the letter of the correct option."). Neither says what is
asked, and both make unlike questions look alike.

Every step is linear in the length of the text: tags are found in one pass and paired on a stack,
closing lines are looked at one by one from the end, and no pattern has an unbounded repeat.
"""

from __future__ import annotations

import re
from itertools import chain

__all__ = ["DROPPED_BLOCKS", "UNWRAPPED_BLOCKS", "strip_boilerplate", "without_harness_blocks"]

DROPPED_BLOCKS: dict[str, tuple[str, ...]] = {
    "Claude Code": (
        "system-reminder",
        "command-name",
        "command-message",
        "local-command-caveat",
        "local-command-stdout",
        "local-command-stderr",
        "user-prompt-submit-hook",
        "task-notification",
        "ide_opened_file",
        "ide_selection",
        "ide_diagnostics",
    ),
    "Cline, Roo Code, Kilo Code": (
        "environment_details",
        "file_content",
        "folder_content",
        "url_content",
        "workspace_diagnostics",
        "git_working_state",
    ),
    "Codex CLI": (
        "environment_context",
        "user_instructions",
        "user_shell_command",
        "subagent_notification",
        "turn_aborted",
    ),
    "Cursor": (
        "additional_data",
        "attached_files",
        "manually_attached_selection",
        "open_and_recently_viewed_files",
        "project_layout",
        "system_reminder",
        "user_info",
    ),
    "GitHub Copilot": (
        "environment_info",
        "workspace_info",
        "editorContext",
        "repoContext",
        "reminderInstructions",
    ),
    "others": ("ide_context", "editor_context", "file_contents"),
}
"""Tags whose block goes, by the harness that writes it. Only names that no person would use in a
prompt: `<context>`, `<rules>` or `<document>` stay, for they hold the user's own matter."""

UNWRAPPED_BLOCKS: dict[str, tuple[str, ...]] = {
    "Claude Code": ("command-args",),
    "Cline, Roo Code, Kilo Code": ("task", "feedback", "user_message"),
    "Cursor": ("user_query",),
    "GitHub Copilot": ("userRequest",),
}
"""Tags that enclose the user's own words: the tags go, the words stay."""

_DROPPED = frozenset(chain.from_iterable(DROPPED_BLOCKS.values()))
_UNWRAPPED = frozenset(chain.from_iterable(UNWRAPPED_BLOCKS.values()))
_TAG = re.compile(r"<(/?)([A-Za-z_-]{4,40})(?:[ \t][^<>\n]{0,200})?>")

_LONGEST_TRAILER = 300  # characters of a line that can be an answer-format line
_VERB = (
    r"(?:please )?(?:answer|choose|enter|give|indicate|output|pick|print|provide|reply|respond"
    r"|return|select|state|write) "
)
_LETTERS = r"(?-i:[\"'(]?A[\"')]?(?:, ?| or |/)[\"'(]?B\b)"
_THE_LETTER = (
    r"(?:(?:only|just|single|capital|correct|corresponding|option(?:'s|’s)?|answer)"
    r"(?: the| one| single| capital| correct| option| answer)? letter\b"
    r"|\bthe letters? (?:of|for|corresponding to) (?:the |your )?"
    r"(?:answer|best|chosen|choice|correct|option|right)\b)"
)
_TRAILER = re.compile(
    r"(?:#{1,6} ?)?(?:(?:the |your )?(?:best |correct |final )?(?:answer|response)(?: is)?"
    r"|a(?=:)|答案(?:是)?|回答|答(?=[:：])) ?[:：]? ?\(?"
    rf"|{_VERB}.{{0,100}}(?:{_THE_LETTER}|{_LETTERS}).{{0,160}}"
    r"|(?:please )?(?:answer|choose|pick|select) .{0,80}"
    r"\bfrom (?:the )?(?:above |following |given )?(?:choices|options)"
    r"(?: (?:above|below|directly|given|provided)){0,2} ?[.:]?"
    r"|(?:please )?(?:choose|pick|select) the (?:best|correct|right) (?:answer|choice|option)\b"
    r".{0,60}"
    r"|(?:please )?(?:answer|reply|respond) .{0,60}\bwithout (?:any )?(?:explanation|explaining)\b"
    r".{0,20}",
    re.IGNORECASE,
)
_INLINE_TRAILER = re.compile(r"(?:(?<=[\s.?!)])answer|答案) ?[:：]\Z", re.IGNORECASE)
_INLINE_REACH = 16  # characters at the end of a line where an inline trailer can stand


def strip_boilerplate(text: str) -> str:
    r"""Take harness blocks and answer-format trailers out of a text.

    Applied to benchmark queries and to live ones alike, so that both are compared on what they ask.
    Applying it twice changes nothing more. Where nothing else would be left, the text is returned
    as it is: the result of a text that is not empty is never empty.

    Args:
        text: Any text, of any length.

    Returns:
        What is left; `text` itself (the same object) when there is nothing to take out.

    Example:
        >>> strip_boilerplate("<system-reminder>Be brief.</system-reminder>\nSort a list in C.")
        'Sort a list in C.'
        >>> strip_boilerplate("What is 2 + 2?\nA. 3\nB. 4\nAnswer:")
        'What is 2 + 2?\nA. 3\nB. 4'
    """
    kept = without_harness_blocks(text)
    if kept is not text and not kept:
        return text
    return _without_trailers(kept)


def without_harness_blocks(text: str) -> str:
    """Take out the blocks that coding harnesses add; empty when the text held nothing else.

    A block counts when its tag is opened and closed; a tag without its partner is left alone.

    Args:
        text: Any text, of any length.

    Returns:
        What is left, without outer white space; `text` itself when there is no block.

    Example:
        >>> without_harness_blocks("<user_query>Why?</user_query>")
        'Why?'
        >>> without_harness_blocks("a <system-reminder> that is not closed")
        'a <system-reminder> that is not closed'
    """
    if "</" not in text:
        return text
    spans = _harness_spans(text)
    if not spans:
        return text
    pieces, done = [], 0
    for start, end in spans:
        if start > done:
            pieces.append(text[done:start])
        done = max(done, end)
    pieces.append(text[done:])
    # A line break between pieces: what stood apart must not grow together into a new tag.
    return "\n".join(pieces).strip()


def _harness_spans(text: str) -> list[tuple[int, int]]:
    """Where something is to be cut, by start; spans may lie within each other."""
    spans: list[tuple[int, int]] = []
    open_tags: dict[str, list[re.Match[str]]] = {}
    for tag in _TAG.finditer(text):
        closes, name = tag.groups()
        if name not in _DROPPED and name not in _UNWRAPPED:
            continue
        if not closes:
            open_tags.setdefault(name, []).append(tag)
        elif open_tags.get(name):
            opening = open_tags[name].pop()
            if name in _DROPPED:
                spans.append((opening.start(), tag.end()))
            else:
                spans += [opening.span(), tag.span()]
    return sorted(spans)


def _without_trailers(text: str) -> str:
    end = len(text)
    while True:
        filled = _rstripped(text, end)
        shorter = _before_trailer(text, filled)
        if shorter == filled:
            break
        end = shorter
    # Blank: the text is a trailer and nothing else.
    return text if filled == 0 or end == len(text) else text[:filled]


def _before_trailer(text: str, end: int) -> int:
    """Where the trailer that ends at `end` starts; `end` itself when there is none."""
    start = text.rfind("\n", 0, end) + 1
    if start > 0 and end - start <= _LONGEST_TRAILER:
        line = " ".join(text[start:end].split())
        if line and _TRAILER.fullmatch(line):
            return start
    if end and text[end - 1] in ":：":
        found = _INLINE_TRAILER.search(text, max(start, end - _INLINE_REACH), end)
        if found:
            return found.start()
    return end


def _rstripped(text: str, end: int) -> int:
    while end and text[end - 1].isspace():
        end -= 1
    return end
