"""Files that a browser shows itself: sound, film and PDF, as small as they come."""

from __future__ import annotations

import io
import wave
from pathlib import Path

# Twenty seconds of a bar that grows: 4.5 kB of VP8, as libvpx makes it at five frames a second, a key frame in two seconds.
FILM = (Path(__file__).parents[1] / "data" / "film.webm").read_bytes()


def sound(seconds: int) -> bytes:
    """Silence of 8,000 bytes a second."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 8000 * seconds)
    return out.getvalue()


HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
# A Japanese font that every reader was to have, in the codes of Shift JIS: neither comes with the file.
RYUMIN = (
    b"<</Type/Font/Subtype/Type0/BaseFont/Ryumin-Light/Encoding/90ms-RKSJ-H/DescendantFonts[<</Type/Font"
    b"/Subtype/CIDFontType0/BaseFont/Ryumin-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)/Supplement 2>>"
    b"/FontDescriptor<</Type/FontDescriptor/FontName/Ryumin-Light/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0"
    b"/Ascent 880/Descent -120/StemV 80>>>>]>>"
)
SYMBOLS = b"<</Type/Font/Subtype/Type1/BaseFont/ZapfDingbats>>"


def pdf(text: bytes, font: bytes = HELVETICA) -> bytes:
    """A PDF of two pages with a line of text each."""
    drawn = b"BT /F1 28 Tf 72 760 Td (%s) Tj ET" % text
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>"
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R 6 0 R]/Count 2>>",
        page,
        b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn),
        font,
        page,
    ]
    out, places = b"%PDF-1.4\n", []
    for number, said in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, said)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"xref\n0 7\n0000000000 65535 f \n%strailer<</Size 7/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
    return out + end % (table, len(out))
