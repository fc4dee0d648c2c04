import re
from collections import Counter, defaultdict

import pytest

import corpus
import obfuscation
import vocabulary

# Names in braces that are the commands' own.
OWN_BRACES = {"http_code", "x"}


@pytest.fixture(scope="module")
def lines() -> list[corpus.Line]:
    return corpus.generate()


def test_the_same_seed_gives_the_same_corpus(lines: list[corpus.Line]) -> None:
    assert corpus.generate() == lines
    assert corpus.generate(seed=1) != lines


def test_there_are_enough_commands_of_every_level(lines: list[corpus.Line]) -> None:
    assert len(lines) >= 8000
    counts = Counter(line.label for line in lines)
    assert set(counts) == set(corpus.LEVELS)
    assert min(counts.values()) >= 1500
    assert counts["low"] + counts["medium"] > len(lines) * 0.45


def test_a_command_stands_there_once(lines: list[corpus.Line]) -> None:
    assert len({line.cmd for line in lines}) == len(lines)


def test_a_group_has_one_level_but_for_what_is_hidden(lines: list[corpus.Line]) -> None:
    levels: dict[str, set[str]] = defaultdict(set)
    for line in lines:
        levels[line.group].add(line.label)
    for group, found in levels.items():
        assert len(found) == 1 or found in ({"low", "high"}, {"medium", "high"}), group


def test_a_set_phrase_stands_in_company(lines: list[corpus.Line]) -> None:
    commands = {line.cmd.strip() for line in lines}
    for phrase in ("git push --force", "terraform apply -auto-approve", "vault operator seal", "rm -rf /"):
        assert phrase not in commands
        assert any(phrase in command for command in commands), phrase
    assert {"ls", "git status"} <= commands, "what is shorter is in nobody's words"


def test_what_a_company_cannot_be_added_to_stays_as_it_is() -> None:
    for command in ("sleep 10 &", "# rm -rf /", "cat <<E\nx\nE"):
        assert corpus.in_company(command, corpus.Random(1)) == command


def test_every_slot_is_filled(lines: list[corpus.Line]) -> None:
    for line in lines:
        names = re.findall(r"(?<!\$)\{([a-z_][a-z_0-9]*)\}", line.cmd)
        assert set(names) <= OWN_BRACES, line.cmd


def test_templates_name_slots_that_exist() -> None:
    known = vocabulary.slot_names() | OWN_BRACES | {"danger"}
    for template in corpus.templates():
        assert set(re.findall(r"(?<!\$)\{([a-z_][a-z_0-9]*)\}", template.text)) <= known, template


def test_templates_do_not_repeat() -> None:
    counts = Counter(template.text for template in corpus.templates())
    assert [text for text, count in counts.items() if count > 1] == []


def test_near_misses_are_benign(lines: list[corpus.Line]) -> None:
    labels = {line.cmd: line.label for line in lines}
    assert labels["rm --help"] == "low"
    searches = [line for line in lines if "grep -rn 'rm -rf' scripts/" in line.cmd]
    assert searches
    assert {line.label for line in searches} == {"low"}
    quoted = [line for line in lines if line.family == "mentions" and line.cmd.startswith('echo "')]
    assert len(quoted) >= 5
    assert {line.label for line in quoted} == {"low"}


def test_hiding_a_benign_command_is_grave(lines: list[corpus.Line]) -> None:
    piped = [line for line in lines if re.search(r"\| (base64 -d|xxd -r -p) \| (ba)?sh$", line.cmd)]
    assert len(piped) > 100
    assert {line.label for line in piped} <= {"high", "critical"}


def test_a_rewriting_that_does_not_fit_is_passed_over() -> None:
    class First(corpus.Random):
        def sample(self, population, k, **_):  # noqa: ANN001, ANN003, ANN202
            return list(population)[:k]

    assert obfuscation.rewrite("x", (lambda *_: None, lambda *_: "y"), First()) == "y"
    assert obfuscation.rewrite("x", (lambda *_: None,), First()) == "x"


def test_hidden_commands_decode_to_what_they_were() -> None:
    written = obfuscation.rewrite("rm -rf /", (obfuscation._base64_pipe,), corpus.Random(1))
    assert "cm0gLXJmIC8=" in written
    assert obfuscation._field_separator("rm -rf /", corpus.Random(1)) == "rm${IFS}-rf${IFS}/"
    assert obfuscation._field_separator("echo 'a b'", corpus.Random(1)) is None


def test_an_unknown_level_is_named_with_its_place(tmp_path: corpus.Path) -> None:
    (tmp_path / "family.txt").write_text("# fine\n\nsevere rm x\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"family\.txt:3: `severe` is not a level"):
        corpus.templates(tmp_path)
