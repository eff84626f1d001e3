"""Writes docs/settings.md from the descriptions of the settings: python scripts/settings_page.py > docs/settings.md."""

from edgesoft.data.settings import DataSettings
from edgesoft.exporting.gate import Gate
from edgesoft.exporting.settings import QuantizeSettings
from edgesoft.settings import markdown
from edgesoft.training.settings import TrainSettings

PAGE = f"""# All settings

Each is described once, in the code; this page, `--help`, the settings files and the Python API follow from that description
(`python scripts/settings_page.py > docs/settings.md` makes the page again). On the command line `val_split` is `--val-split`;
in Python it is `edgesoft.train(..., val_split=0.15)`; in a settings file for `edgesoft train --config` it stands under `[data]`
or `[training]`, as the headings say. A setting without a default is off, or takes what suits the data.

## `edgesoft train`, `[data]`

{markdown(DataSettings)}

## `edgesoft train`, `[training]`

{markdown(TrainSettings)}

## `edgesoft export`

{markdown(Gate, QuantizeSettings)}
"""

if __name__ == "__main__":
    print(PAGE, end="")
