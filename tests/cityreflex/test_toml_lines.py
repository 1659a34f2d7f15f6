"""The line of every key, against the text itself."""

from textwrap import dedent

from cityreflex.toml_lines import key_lines, nearest_line

TEXT = dedent("""\
    # site
    name = "north"
    [radio]
    channel = 11
    power.dbm = 40

    [[sensor]]
    id = "t1"

    note = '''
    two
    lines'''
    rate = 3

    [[sensor]]
    id = "t2"
    inline = {a=1, b="x"}
    [web]
    prot = 80
    """)


def test_each_key_stands_on_its_line() -> None:
    found = key_lines(TEXT)
    rows = TEXT.splitlines()
    for key, line in found.items():
        names = [part for part in key if isinstance(part, str)]
        assert any(name in rows[line - 1] for name in names), (key, line)


def test_lines_after_a_text_of_several_lines() -> None:
    found = key_lines(TEXT)
    assert (found[("name",)], found[("radio", "channel")], found[("sensor", 0, "rate")]) == (2, 4, 13)
    assert (found[("sensor", 1, "id")], found[("web", "prot")]) == (16, 19)


def test_nearest_line_of_a_missing_key_is_its_table() -> None:
    found = key_lines(TEXT)
    assert nearest_line(found, ("web", "port")) == 18
    assert nearest_line(found, ("sensor", 1, "bus")) == found[("sensor", 1)]
    assert nearest_line(found, ("nowhere",)) == 1
