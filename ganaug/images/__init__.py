"""The one place that knows pixels: decoding, conversion between uint8 and [-1, 1], encoding and grids.

Inside ganaug an image batch is uint8 [N, C, H, W] (stored, served) or float32 [N, C, H, W] in [-1, 1] (trained on).
"""

from ganaug.images.decoding import FORMATS as FORMATS
from ganaug.images.decoding import MAX_PIXELS as MAX_PIXELS
from ganaug.images.decoding import MIN_SIDE as MIN_SIDE
from ganaug.images.decoding import SUFFIXES as SUFFIXES
from ganaug.images.decoding import Header as Header
from ganaug.images.decoding import Picture as Picture
from ganaug.images.decoding import PictureError as PictureError
from ganaug.images.decoding import convert as convert
from ganaug.images.decoding import matched as matched
from ganaug.images.decoding import printable as printable
from ganaug.images.decoding import read_header as read_header
from ganaug.images.decoding import read_image as read_image
from ganaug.images.decoding import reading as reading
from ganaug.images.decoding import upright as upright
from ganaug.images.pixels import MODES as MODES
from ganaug.images.pixels import SLACK as SLACK
from ganaug.images.pixels import encode_png as encode_png
from ganaug.images.pixels import fit as fit
from ganaug.images.pixels import from_pil as from_pil
from ganaug.images.pixels import grid as grid
from ganaug.images.pixels import pixel_sha256 as pixel_sha256
from ganaug.images.pixels import to_float as to_float
from ganaug.images.pixels import to_pil as to_pil
from ganaug.images.pixels import to_uint8 as to_uint8
