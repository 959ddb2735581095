"""Plain text with speaker labels, one file a dialogue: 求助者：… / 支持者：…, Client: … / Counselor: …"""

from __future__ import annotations

from pathlib import Path

from analysis.corpora.byte_chunks import LINE_LIMIT_BYTES, chunks_of
from analysis.corpora.entries import BrokenEntry
from filters.dialogue import CorpusEntry, Dialogue, DialogueFormat
from filters.reply import read_reply

ENDINGS = (".txt", ".md", ".text")

# Any label that the reader knows may be used (filters.labels.ALIASES), so "another name" is no repair here; a title may
# stand before the first utterance.
_ANY_LABELS = DialogueFormat(client_labels=("求助者",), counselor_labels=("支持者",), min_turns=1, preamble=True)
_NO_REPAIR = frozenset({"label-alias", "blank-lines"})


def text_entry(path: Path) -> CorpusEntry | BrokenEntry:
    """The file's dialogue, its id the file's name without endings, or why it holds none.

    extra["repairs"] has what the reading repaired, by name and count; `speakers-merged` there means that one speaker
    stood twice in a row, which labelled text cannot tell from an utterance of several lines. Raises CorpusError for a
    file that cannot be read or decompressed.
    """
    data = b""
    for chunk in chunks_of(path):
        data += chunk
        if len(data) > LINE_LIMIT_BYTES:
            return BrokenEntry(str(path), f"longer than {LINE_LIMIT_BYTES} bytes: this is no one dialogue")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return BrokenEntry(str(path), f"not UTF-8: byte 0x{data[error.start]:02x} at byte {error.start + 1}")
    reading = read_reply(text, _ANY_LABELS)
    if not reading.utterances:
        return BrokenEntry(str(path), "no line starts with a speaker's label, such as 求助者： or Client:")
    if reading.stranger is not None:
        name, span = reading.stranger
        line = text.count("\n", 0, span.start) + 1
        return BrokenEntry(f"{path}:{line}", f"a third speaker, {name}, besides client and counselor")
    repairs = {mark.name: mark.times for mark in reading.marks if mark.name not in _NO_REPAIR}
    return CorpusEntry(
        id=path.name.split(".", 1)[0],
        dialogue=Dialogue(reading.utterances),
        place=str(path),
        extra={"repairs": repairs} if repairs else {},
    )
