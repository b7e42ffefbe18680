"""Names with `*`, images by segment."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.model.image import parse_image
from webhook.model.pattern import image_matcher, name_matcher

SHA = "sha256:9ae97d36d26566ff84e8893c64a6dc4fe8ca6d1144bf5b87b2b85a32def253c7"
OTHER_SHA = SHA.replace("9", "8")


def fits(pattern: str, name: str) -> bool:
    """Return whether *name* fits *pattern*, by the definition of `*` alone."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return any(fits(pattern[1:], name[start:]) for start in range(len(name) + 1))
    return name[:1] == pattern[0] and fits(pattern[1:], name[1:])


@pytest.mark.parametrize(
    ("patterns", "matching", "others"),
    [
        pytest.param(["shop"], ["shop"], ["", "shop-2", "my-shop", "Shop"], id="exact"),
        pytest.param(["shop", "bank"], ["shop", "bank"], ["shopbank"], id="several"),
        pytest.param(["*"], ["", "shop", "a\nb"], [], id="everything"),
        pytest.param(["**"], ["", "shop"], [], id="two stars"),
        pytest.param(["shop-*"], ["shop-", "shop-1", "shop-a-b"], ["shop", "my-shop-1"], id="prefix"),
        pytest.param(["*-shop"], ["-shop", "my-shop"], ["shop", "my-shop-1"], id="suffix"),
        pytest.param(["a*b*c"], ["abc", "a1b2c", "abbcc"], ["ac", "acb", "ab", "bc"], id="inside"),
        pytest.param(["a*b*c*d*e"], ["abcde", "a1b2c3d4e"], ["abde", "abcd", "acbde"], id="many parts"),
        pytest.param(["a*a"], ["aa", "aba"], ["a"], id="parts do not overlap"),
        pytest.param(["a*ab*b"], ["aabb", "aXabXb"], ["aab", "abb"], id="inner parts do not overlap"),
        pytest.param(["a.c", "a*.c"], ["a.c", "ab.c"], ["abc", "axc"], id="nothing else is special"),
        pytest.param(["a?", "[a]*", "(a*"], ["a?", "[a]", "[a]b", "(a", "(ab"], ["a", "ab"], id="nor brackets"),
        pytest.param(["a", "b*", "*c"], ["a", "b", "bx", "c", "xc"], ["ab", "cx"], id="exact and wild"),
        pytest.param(["a*"], ["a\nb"], ["\na"], id="line break"),
        pytest.param([], [], ["", "a"], id="none"),
    ],
)
def test_names_match_by_pattern(patterns: list[str], matching: list[str], others: list[str]) -> None:
    matches = name_matcher(patterns)

    assert [name for name in [*matching, *others] if matches(name)] == matching


@given(st.text("ab*", max_size=8), st.text("abc", max_size=8))
def test_a_star_stands_for_any_characters(pattern: str, name: str) -> None:
    assert name_matcher([pattern])(name) == fits(pattern, name)


def test_many_stars_do_not_take_long() -> None:
    # Backtracking over each star would take longer than the age of the universe.
    assert not name_matcher(["*a" * 250 + "*b"])("a" * 253)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        pytest.param(
            "nginx",
            ["nginx", "nginx:1.29.3", f"nginx@{SHA}", "library/nginx", "docker.io/nginx", "index.docker.io/nginx"],
            ["nginx2", "team/nginx", "registry.example.com/nginx", "registry.example.com/library/nginx"],
            id="official image",
        ),
        pytest.param("docker.io/library/nginx", ["nginx", "docker.io/library/nginx:1"], ["team/nginx"], id="full name"),
        pytest.param("team/app", ["team/app", "docker.io/team/app"], ["team/app/part", "app"], id="Docker Hub's team"),
        pytest.param(
            "registry.example.com/team/*",
            ["registry.example.com/team/app", "registry.example.com/team/app:1"],
            [
                "registry.example.com/team/app/part",
                "registry.example.com/teams/app",
                "registry.example.com.evil.example/team/app",
                "registry.example.com/evil/team/app",
                "team/app",
            ],
            id="one segment",
        ),
        pytest.param(
            "registry.example.com/**",
            ["registry.example.com/app", "registry.example.com/team/app", "registry.example.com/a/b/c/d"],
            ["registry.example.com.evil.example/app", "app"],
            id="any depth",
        ),
        pytest.param(
            "registry.example.com/team/**",
            ["registry.example.com/team/app", "registry.example.com/team/app/part"],
            ["registry.example.com/team", "registry.example.com/other/app"],
            id="any depth below a team, but not the team",
        ),
        pytest.param(
            "registry.example.com/*/app",
            ["registry.example.com/team/app"],
            ["registry.example.com/app", "registry.example.com/a/b/app"],
            id="inner segment",
        ),
        pytest.param(
            "*.example.com/app",
            ["registry.example.com/app", "a.b.example.com/app"],
            ["example.com/app", "registry.example.org/app", "registry.example.com/team/app"],
            id="part of the registry",
        ),
        pytest.param(
            "localhost:5000/app",
            ["localhost:5000/app", "localhost:5000/app:1"],
            ["localhost/app", "localhost:5001/app", "app:5000"],
            id="port",
        ),
        pytest.param("localhost:*/app", ["localhost:5000/app"], ["localhost/app"], id="any port"),
        pytest.param("localhost:5000/app:1", ["localhost:5000/app:1"], ["localhost:5000/app"], id="port and tag"),
        pytest.param("[2001:db8::1]:5000/*", ["[2001:db8::1]:5000/app"], ["[2001:db8::2]:5000/app"], id="IPv6"),
        pytest.param("nginx:1.*", ["nginx:1.29.3", f"nginx:1.2@{SHA}"], ["nginx", "nginx:2", f"nginx@{SHA}"], id="tag"),
        pytest.param("nginx:*", ["nginx:1"], ["nginx", f"nginx@{SHA}"], id="any tag, but one"),
        pytest.param("nginx:latest", ["nginx:latest"], ["nginx"], id="the tag as it is written"),
        pytest.param(
            f"nginx@{SHA}",
            [f"nginx@{SHA}", f"nginx:1@{SHA}"],
            ["nginx", f"nginx@{OTHER_SHA}", f"app@{SHA}"],
            id="digest",
        ),
        pytest.param(f"nginx:1@{SHA}", [f"nginx:1@{SHA}"], [f"nginx@{SHA}", "nginx:1"], id="tag and digest"),
        pytest.param("team/**:1", ["team/a:1", "team/a/b:1"], ["team/a:2", "team/a"], id="depth and tag"),
        pytest.param("**", ["nginx", "library/nginx"], ["team/app", "localhost/app"], id="official images alone"),
        pytest.param("*/*", ["team/app"], ["team/app/part", "localhost/app", "localhost:5/app"], id="Docker Hub's"),
        pytest.param(
            "under_score.example/app", ["under_score.example/app"], ["under_score/app"], id="a registry that is a path"
        ),
    ],
)
def test_images_match_segment_by_segment(pattern: str, matching: list[str], others: list[str]) -> None:
    matches = image_matcher(pattern)

    assert [image for image in [*matching, *others] if matches(parse_image(image))] == matching
