"""Draws edgesoft/training/characters.png: every character that outliers are made of, in ten fonts that matplotlib brings.

The sheet is part of the package, so that training needs no fonts, and the same seed draws the same outliers wherever it runs.
"""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from edgesoft.training.outliers import CHARACTERS, PAGE, SHEET

FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSansMono", "DejaVuSerif", "DejaVuSerif-Italic",
    "cmr10", "cmss10", "cmtt10", "cmti10",
)  # fmt: skip


def sheet() -> Image.Image:
    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    image = Image.new("L", (PAGE * len(CHARACTERS), PAGE * len(FONTS)))
    for row, name in enumerate(FONTS):
        font = ImageFont.truetype(folder / f"{name}.ttf", PAGE // 2)
        for column, character in enumerate(CHARACTERS):
            page = Image.new("L", (PAGE, PAGE))
            ImageDraw.Draw(page).text((PAGE // 2, PAGE // 2), character, fill=255, font=font, anchor="mm")
            image.paste(page, (PAGE * column, PAGE * row))
    return image


if __name__ == "__main__":
    sheet().save(SHEET, optimize=True)
    print(f"{SHEET}: {SHEET.stat().st_size:,} bytes, {np.asarray(sheet()).mean():.3f}")
