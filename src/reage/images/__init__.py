"""Reading any photo as upright sRGB pixels, and writing it back as the file it was."""

from reage.images.photo import JpegSettings, Photo, PhotoMetadata, PhotoSource
from reage.images.read import (
    DEFAULT_MAX_BYTES,
    DEFAULT_MAX_PIXELS,
    count_pixels,
    read_marks,
    read_photo,
)
from reage.images.write import (
    check_output_path,
    check_writable_path,
    encode_photo,
    format_for_path,
    replace_file,
    to_pil,
    write_photo,
)

__all__ = [
    "DEFAULT_MAX_BYTES",
    "DEFAULT_MAX_PIXELS",
    "JpegSettings",
    "Photo",
    "PhotoMetadata",
    "PhotoSource",
    "check_output_path",
    "check_writable_path",
    "count_pixels",
    "encode_photo",
    "format_for_path",
    "read_marks",
    "read_photo",
    "replace_file",
    "to_pil",
    "write_photo",
]
