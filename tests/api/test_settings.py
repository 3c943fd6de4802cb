"""Settings come from flags, then the environment, then defaults; secrets stay private."""

import stat
from pathlib import Path

import pytest

from api.settings import SettingsError, origin_of, read_settings


def test_secrets_are_made_once_and_kept_private(tmp_path: Path):
    first = read_settings({}, data_dir=tmp_path / "data")
    again = read_settings({}, data_dir=tmp_path / "data")
    assert first.secrets == again.secrets
    assert len(set(map(str, vars_of(first.secrets)))) == 4
    kept = tmp_path / "data" / "secrets.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def vars_of(struct: object) -> list[object]:
    return [getattr(struct, name) for name in struct.__struct_fields__]


def test_given_secrets_win_and_short_ones_are_refused(tmp_path: Path):
    given = read_settings({"JWT_SECRET": "s" * 40}, data_dir=tmp_path)
    assert given.secrets.jwt_secret == "s" * 40
    with pytest.raises(SettingsError, match="JWT_SECRET"):
        read_settings({"JWT_SECRET": "short"}, data_dir=tmp_path)


def test_flags_win_over_the_environment(tmp_path: Path):
    settings = read_settings({"PORT": "9000", "HOST": "::1"}, data_dir=tmp_path, port=9001)
    assert (settings.port, settings.host) == (9001, "::1")


def test_the_familys_database_variables_make_an_address(tmp_path: Path):
    environ = {"DB_HOST": "db", "DB_USER": "u@x", "DB_PASS": "p/w", "DB_NAME": "n", "DB_PORT": "6"}
    settings = read_settings(environ, data_dir=tmp_path)
    assert settings.database_url == "postgresql://u%40x:p%2Fw@db:6/n"
    assert read_settings({}, data_dir=tmp_path).database_url is None


def test_origins_are_exact_and_listed(tmp_path: Path):
    environ = {
        "FRONTEND_URLS": "https://App.example.com/x, http://b.test:3000",
        "BACKEND_URL": "https://api.example.com/",
    }
    settings = read_settings(environ, data_dir=tmp_path)
    listed = {"https://app.example.com", "http://b.test:3000", "https://api.example.com"}
    assert settings.origins == listed
    assert settings.secure
    assert settings.public_url == "https://api.example.com"


@pytest.mark.parametrize(
    "environ",
    [
        {"PORT": "many"},
        {"FRONTEND_URL": "app.example.com"},
        {"BACKEND_URL": "javascript:alert(1)"},
        {"BCRYPT_ROUNDS": "1"},
    ],
)
def test_values_that_do_not_fit_are_refused(tmp_path: Path, environ: dict[str, str]):
    with pytest.raises(SettingsError):
        read_settings(environ, data_dir=tmp_path)


@pytest.mark.parametrize("url", ["", "x", "ftp://a", "https://u@h", "http://", "null", "*"])
def test_what_is_no_web_address_has_no_origin(url: str):
    assert origin_of(url) is None
