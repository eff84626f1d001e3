import importlib.util
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_page_of_all_settings_is_what_the_code_says():
    spec = importlib.util.spec_from_file_location("settings_page", ROOT / "scripts" / "settings_page.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == module.PAGE, "make it again: python scripts/settings_page.py > docs/settings.md"
    for name in ("target", "hidden", "max_drop", "calibration_samples"):
        assert f"| `{name}` |" in written
