"""What is refused when policies are loaded, and how it is said."""

import pytest

from protem.domain.errors import InvalidError
from protem.domain.plans import Trait
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_folder, read_texts, shipped_schema

ASK = 'permit (principal, action == Protem::Action::"request", resource)'


def problems(text):
    """Return the problems of one file as lines."""
    return [str(problem) for problem in read_texts([("a.cedar", text)]).problems]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (f"{ASK}\nwhen {{\n  context.onkall }};", 3, "onkall"),
        (f'{ASK} when {{ context.ticket like "INC-*" }};', 1, "optional attribute `ticket`"),
        (f'{ASK} when {{ principal.kind == Protem::Kind::"agnet" }};', 1, "agnet"),
        ('permit (principal, action == Protem::Action::"aprove", resource);', 1, "aprove"),
        ("\n\npermit (principal, actio, resource);", 3, "actio"),
        ('permit (principal in Protem::Grup::"x", action, resource);', 1, "Protem::Grup"),
        (ASK, 1, "does not end with ';'"),
        (f"permit (principal == ?principal, action, resource);{ASK};", 1, "templates"),
        (f'@aprovals("2") {ASK};', 1, "unknown annotation @aprovals"),
        (f'@approvals("0") {ASK};', 1, "1 to 20"),
        (f'@approvals("two") {ASK};', 1, "1 to 20"),
        (f'@approvers("dba") {ASK};', 1, "@approvers needs @approvals"),
        (f'@approvals("1") @approvers("a,,b") {ASK};', 1, "group name"),
        (f'@max_duration("90") {ASK};', 1, "is not a duration"),
        (f'@requires("tiket") {ASK};', 1, "@requires is one or both of reason, ticket"),
        (f"@additional {ASK};", 1, "adds nothing"),
        (f'@id("a b") {ASK};', 1, "@id is letters"),
        (f'@message("a\\nb") {ASK};', 1, "one printable line"),
        ('@approvals("1") permit (principal, action, resource);', 1, "counts only on a permit"),
        (f'@approvals("1") {ASK.replace("permit", "forbid")};', 1, "counts only on a permit"),
        (f'{ASK} when {{ action == Protem::Action::"request" }};', 1, "cannot name the action"),
        (f'@id("a") {ASK};\n@id("a") {ASK};', 2, "already used at a.cedar:1"),
    ],
)
def test_problem_names_file_line_and_what_is_wrong(text, line, words):
    """Every mistake is refused with its place and its name."""
    (problem, *_) = problems(text)
    assert problem.startswith(f"a.cedar:{line}: ")
    assert words in problem


def test_load_refuses_the_whole_set(tmp_path):
    """One mistake in one file refuses all, and the message names it."""
    (tmp_path / "good.cedar").write_text(f"{ASK};")
    (tmp_path / "bad.cedar").write_text(f"\n{ASK} when {{ context.onkall }};")
    with pytest.raises(InvalidError, match=r"bad\.cedar:2: .*onkall"):
        CedarPolicy.load(tmp_path)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_comment_ends_where_the_engine_ends_it(end):
    """A rule after a comment is read whatever the line ending; none is lost in a comment."""
    folder = read_texts([("a.cedar", f"// says ;{end}forbid (principal, action, resource);")])
    assert [rule.permits for rule in folder.rules] == [False]
    assert folder.problems == ()


def test_semicolons_and_comments_inside_strings_are_text():
    """A string may hold anything; the statement ends where it ends."""
    folder = read_texts(
        [("a.cedar", f'{ASK} when {{ context.program == "a; // \\" when {{ b" }};{ASK};')]
    )
    assert folder.problems == ()
    assert len(folder.rules) == 2
    (condition,) = folder.rules[0].conditions
    assert condition.text == 'context.program == "a; // \\" when { b"'


def test_digest_covers_names_and_contents(tmp_path):
    """Equal folders have equal digests; a name or a byte makes another."""
    (tmp_path / "a.cedar").write_text(f"{ASK};")
    first = read_folder(tmp_path).digest
    assert read_folder(tmp_path).digest == first
    (tmp_path / "a.cedar").rename(tmp_path / "b.cedar")
    renamed = read_folder(tmp_path).digest
    (tmp_path / "b.cedar").write_text(f"{ASK}; ")
    assert len({first, renamed, read_folder(tmp_path).digest}) == 3


def test_forbid_in_a_subfolder_is_read(tmp_path):
    """Subfolders count; dot files do not."""
    (tmp_path / "team").mkdir()
    (tmp_path / "team" / "x.cedar").write_text("forbid (principal, action, resource);")
    (tmp_path / ".#x.cedar").write_text("nonsense")
    (rule,) = read_folder(tmp_path).rules
    assert rule.source == "team/x.cedar:1"


def test_absent_folder_is_an_error_not_an_empty_set(tmp_path):
    """A wrong path must not deny everything in silence."""
    with pytest.raises(InvalidError, match="no policy folder"):
        CedarPolicy.load(tmp_path / "polices")


def test_unreadable_text_is_refused(tmp_path):
    """A file that is not UTF-8 is an error that names it."""
    (tmp_path / "a.cedar").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidError, match=r"a\.cedar"):
        CedarPolicy.load(tmp_path)


def test_schema_knows_every_trait():
    """A trait that planners can report is one that policies can read."""
    text = str(shipped_schema())
    for trait in Trait:
        name = "by_profile" if trait is Trait.PROFILE else trait
        assert f"{name}: Bool" in text
