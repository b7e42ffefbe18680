"""What holds of every check."""

import pkgutil
import re
from types import ModuleType

import pytest

import webhook.checks
from webhook.checks import CHECKS, image_pinned
from webhook.checks.check import CheckType, check_type

HEADINGS = ["What it does", "Why", "Options", "How to fix"]
every_check = pytest.mark.parametrize("check", CHECKS.values(), ids=lambda check: check.id)


def test_every_module_is_listed_and_its_name_is_its_id() -> None:
    modules = {module.name for module in pkgutil.iter_modules(webhook.checks.__path__)} - {"check", "evidence"}

    assert {check_id.replace("-", "_") for check_id in CHECKS} == modules


def test_a_check_is_what_its_module_defines() -> None:
    assert check_type(image_pinned) == CheckType(
        id="image-pinned",
        manual=image_pinned.__doc__ or "",
        options=image_pinned.Options,
        configure=image_pinned.configure,
    )
    assert check_type(image_pinned) == CHECKS["image-pinned"]
    assert check_type(image_pinned).manual


def test_a_module_without_a_docstring_has_an_empty_manual() -> None:
    module = ModuleType("undocumented")
    vars(module).update(ID="undocumented", Options=image_pinned.Options, configure=image_pinned.configure)

    assert check_type(module).manual == ""


@every_check
def test_an_id_is_in_kebab_case(check: CheckType) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", check.id)


@every_check
def test_a_manual_has_a_title_and_the_four_headings_each_with_text(check: CheckType) -> None:
    title, *sections = re.split(r"^## ", check.manual, flags=re.MULTILINE)

    assert re.fullmatch(r"[A-Z].*\.", title.strip())
    assert [section.partition("\n")[0] for section in sections] == HEADINGS
    assert all(section.partition("\n")[2].strip() for section in sections)


@every_check
def test_a_manual_names_every_option(check: CheckType) -> None:
    options = check.manual.partition("## Options")[2].partition("## How to fix")[0]

    assert all(f"`{name}`" in options for name in check.options.__struct_encode_fields__)


@every_check
def test_options_forbid_unknown_fields(check: CheckType) -> None:
    assert check.options.__struct_config__.forbid_unknown_fields
