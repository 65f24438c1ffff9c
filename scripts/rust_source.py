"""Read the production code of a crate: lines, functions, type names and paths of each file.

Test code is left out: folders named `tests`, files named `tests.rs`, and items under
`#[cfg(test)]` with the files that they declare.
"""

import re
from pathlib import Path

# The files of the HTTP APIs: src/http/apis/, or a folder for each API in src/http/.
HTTP_APIS = re.compile(r"src/http/(?:apis/.+|(?:runner|characters|control)(?:/.+|\.rs))")
# Types of arguments that make an async function a handler, whatever their pattern.
EXTRACTORS = set(
    "Body Extension Form HeaderMap Json ListQuery MatchedPath Method OriginalUri Parts Path Query "
    "RawQuery Request RequestContext State Uri".split()
)

# Comments and literals can hold brackets and words that are not code. Identifiers and lifetimes
# are matched so that no literal starts inside of them.
LEXER = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\* )
    | (?P<raw> (?: b|c )? r (?P<hashes> \#* ) " .*? " (?P=hashes) )
    | (?P<text> (?: b|c )? " (?: \\. | [^"\\] )* " )
    | (?P<char> b? ' (?: \\ (?: x[0-9a-fA-F]{2} | u\{[^}]*\} | . ) | [^\\'\n] ) ' )
    | (?: '|r\# )? [^\W\d]\w*
    """,
    re.VERBOSE | re.DOTALL,
)
BLOCK_COMMENT_MARK = re.compile(r"/\*|\*/")
TEST_ATTRIBUTE = re.compile(r"#\[cfg\((?:test|all\(test\b[^\]]*)\)\](?:\s*#\[[^\]]*\])*\s*")
ITEM = re.compile(
    r"(?:pub|fn|async|mod|impl|use|struct|enum|union|const|static|type|trait|let|unsafe|extern)\b"
)
FILE_MODULE = re.compile(r"\bmod\s+(\w+)\s*;")
INLINE_MODULE = re.compile(r"\bmod\s+\w+\s*$")
BRACKET = re.compile(r"[()\[\]{};,]")
TYPE = re.compile(r"\b(?:struct|enum|trait|union|type)\s+(\w+)|[()\[\]{}]")
SERDE = re.compile(r"derive\([^)]*\b(?:Serialize|Deserialize)\b")
FUNCTION = re.compile(r"\b(async\s+)?(?:unsafe\s+)?fn\s+(\w+)")
# `State(turns): State<Turns>`: the type is the pattern.
TAKEN_APART = re.compile(r"(?:^|[(,])\s*(\w+)\s*\([^:]*\)\s*:\s*(?:\w+::)*\1\b")
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"(?<![\w:])[^\W\d]\w*(?:\s*::\s*[^\W\d]\w*)+")


def blank(text):
    """The same number of characters and lines, all of them spaces."""
    return re.sub(r"[^\n]", " ", text)


def code_of(source):
    """The source with blank comments and empty literals; every offset stays the same."""
    out, at = [], 0
    while found := LEXER.search(source, at):
        out.append(source[at : found.start()])
        token, at = found.group(), found.end()
        if token == "/*":
            depth = 1
            while depth and (mark := BLOCK_COMMENT_MARK.search(source, at)):
                depth, at = depth + (1 if mark.group() == "/*" else -1), mark.end()
            out.append(blank(source[found.start() : at]))
        elif found["text"]:
            inside = token.index('"') + 1
            out.append(token[:inside] + blank(token[inside:-1]) + '"')
        elif found["comment"] or found["raw"] or found["char"]:
            out.append(blank(token))
        else:
            out.append(token)
    return "".join(out) + source[at:]


def end_of_item(code, at, stops):
    """Just after the item's closing brace or the first of `stops` outside of brackets."""
    depth = 0
    for mark in BRACKET.finditer(code, at):
        if mark.group() in "([{":
            depth += 1
        elif mark.group() in ")]}":
            depth -= 1
            if depth < 0:
                return mark.start()
            if depth == 0 and mark.group() == "}":
                return mark.end()
        elif depth == 0 and mark.group() in stops:
            return mark.end()
    return len(code)


def use_leaves(text):
    """(path, name in scope) of each leaf of a `use` declaration."""
    before, brace, inside = text.strip().partition("{")
    if not brace:
        path, _, name = before.partition(" as ")
        path = tuple(path.strip().split("::"))
        path = path[:-1] if path[-1] == "self" else path
        yield path, name.strip() or path[-1]
        return
    inside = inside[: inside.rindex("}")] + ","
    depth, start = 0, 0
    for at, mark in enumerate(inside):
        depth += (mark == "{") - (mark == "}")
        if mark == "," and depth == 0:
            if leaf := inside[start:at].strip():
                yield from use_leaves(before + leaf)
            start = at + 1


class File:
    """The production code of one file. `module` is its path from the root of the crate."""

    def __init__(self, root, crate, path):
        self.name = str(path.relative_to(root))
        self.crate = crate
        parts = path.relative_to(root / crate / "src").with_suffix("").parts
        is_root = parts in (("lib",), ("main",))
        self.module = parts[:-1] if parts[-1] == "mod" or is_root else parts
        self.code = code_of(path.read_text())
        self.test_files = set()
        test_lines = set()
        while found := TEST_ATTRIBUTE.search(self.code):
            stops = ";" if ITEM.match(self.code, found.end()) else ";,"
            start, end = found.start(), end_of_item(self.code, found.end(), stops)
            self.test_files.update(FILE_MODULE.findall(self.code[start:end]))
            test_lines.update(range(self.line(start), self.line(end - 1) + 1))
            self.code = self.code[:start] + blank(self.code[start:end]) + self.code[end:]
        self.lines = self.code.count("\n") - len(test_lines)

    def line(self, at):
        return self.code.count("\n", 0, at) + 1

    def place(self, at):
        return f"{self.name}:{self.line(at)}"

    def functions(self):
        """(lines, name, place, is a handler) of each function with a body."""
        for found in FUNCTION.finditer(self.code):
            end = end_of_item(self.code, found.end(), ";")
            if self.code[end - 1] == "}":
                lines = self.line(end - 1) - self.line(found.start()) + 1
                yield lines, found[2], self.place(found.start()), self.is_handler(found)

    def is_handler(self, function):
        """An async function of an API with an extractor among its arguments."""
        if not function[1] or not HTTP_APIS.fullmatch(self.name):
            return False
        start = self.code.index("(", function.end())
        arguments = self.code[start + 1 : self.code.index("{", start)].split("->")[0]
        words = set(re.findall(r"\w+", arguments))
        if words & {"self", "Next"} or re.search(r"&\s*mut\b", arguments):
            return False
        return bool(TAKEN_APART.search(arguments) or words & EXTRACTORS)

    def types(self):
        """(name, place, is a request or response) of each type at module level."""
        in_module = []
        for found in TYPE.finditer(self.code):
            if found.group() in "([{":
                before = self.code[max(0, found.start() - 80) : found.start()]
                in_module.append(bool(INLINE_MODULE.search(before)))
            elif found.group() in ")]}":
                in_module.pop()
            elif all(in_module):
                before = self.code[: found.start()]
                attributes = before[max(before.rfind(mark) for mark in ";{}") + 1 :]
                of_api = HTTP_APIS.fullmatch(self.name) and SERDE.search(attributes)
                yield found[1], self.place(found.start()), bool(of_api)

    def paths(self):
        """(path, name that `use` brings into scope, offset) of each path."""
        for found in USE.finditer(self.code):
            for path, name in use_leaves(re.sub(r"\s+", " ", found[1])):
                yield path, name, found.start()
        without_use = USE.sub(lambda found: blank(found.group()), self.code)
        for found in PATH.finditer(without_use):
            yield tuple(re.split(r"\s*::\s*", found.group())), None, found.start()


def production_files(root: Path):
    """The production files of the crate in `root` and of those in its folder `crates`."""
    files = []
    for sources in [root / "src", *sorted(root.glob("crates/*/src"))]:
        crate = str(sources.parent.relative_to(root))
        found = [
            File(root, crate, path)
            for path in sorted(sources.rglob("*.rs"))
            if "tests" not in path.relative_to(sources).with_suffix("").parts
        ]
        tests = {file.module + (name,) for file in found for name in file.test_files}
        files += [
            file
            for file in found
            if not any(file.module[:depth] in tests for depth in range(1, len(file.module) + 1))
        ]
    return files
