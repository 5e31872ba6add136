"""The file formats that are read and written. Imports nothing heavy: pipelines are checked with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from assetforge.errors import did_you_mean
from assetforge.material.map_spec import MapSpec

if TYPE_CHECKING:
    from assetforge.codecs.codec import Codec

Depth = Literal["8", "16", "half", "float"]
DEPTHS: tuple[Depth, ...] = ("8", "16", "half", "float")
Container = Literal["png", "jpg", "webp", "tga", "tiff", "hdr", "exr", "dds", "ktx2", "plugin"]
Compression = Literal[
    "uncompressed", "bc1", "bc2", "bc3", "bc4", "bc5", "bc6h", "bc7", "astc", "astc6x6", "astc8x8", "etc2"
]
"""How a GPU's texture is compressed. BC2 is read and not written: BC3 is better in every way.

`astc` is of blocks of 4 × 4 pixels."""
Readable = Literal["PNG", "JPEG", "WebP", "TGA", "BMP", "TIFF", "PSD", "HDR", "OpenEXR", "DDS", "KTX2", "HEIF", "DNG"]

READABLE: tuple[Readable, ...] = ("PNG", "JPEG", "WebP", "TGA", "BMP", "TIFF", "PSD", "HDR", "OpenEXR", "DDS", "KTX2")
"""The formats that sources are read from; a large PSD, PSB, is one too. HEIF and DNG are read with extra packages."""

HOLDS: dict[Container, tuple[Depth, ...]] = {
    "png": ("8", "16"),
    "jpg": ("8",),
    "webp": ("8",),
    "tga": ("8",),
    "tiff": ("8", "16", "float"),
    "hdr": ("float",),
    "exr": ("half", "float"),
    "dds": DEPTHS,
    "ktx2": DEPTHS,
}
"""The depths that each container holds, least first."""
GPU: tuple[Container, ...] = ("dds", "ktx2")
"""The containers of what a GPU takes as it is; they hold smaller levels, too."""
COMPRESSED: dict[Compression, tuple[Depth, ...]] = {
    "bc1": ("8",), "bc3": ("8",), "bc7": ("8",), "bc4": ("16",), "bc5": ("16",), "bc6h": ("half",),
    "astc": ("8",), "astc6x6": ("8",), "astc8x8": ("8",), "etc2": ("8",),
}  # fmt: skip
"""The depth that each compression takes numbers in; what is between two ends of BC4 and BC5 is finer than 8 bits."""
MOBILE: tuple[Compression, ...] = ("astc", "astc6x6", "astc8x8", "etc2")
"""What the GPUs of phones take: any map, one, two, three or four channels. KTX2 alone has it."""
WITHOUT_Z: tuple[Compression, ...] = ("bc5", *MOBILE)
"""Those that hold x and y of normals."""
_MODULES: dict[Compression, tuple[str, ...]] = {
    **dict.fromkeys(MOBILE, ("astc_encoder",)), "etc2": ("etcpak", "texture2ddecoder"),
}  # fmt: skip
"""The modules that a compression is written by, and read again."""

MOST_QUALITY, MOST_EFFORT = 100, 9
WITH_QUALITY: tuple[Container, ...] = ("jpg", "webp")
WITH_EFFORT: tuple[Container, ...] = ("png", "tiff", "ktx2")


@dataclass(frozen=True)
class Format:
    """A container, and a depth or None for that of the source."""

    container: Container
    depth: Depth | None = None
    quality: int | None = None
    """Of JPEG and WebP, 1 to 100; None is 95 for JPEG and lossless for WebP."""
    effort: int | None = None
    """How hard PNG, TIFF and KTX2 are compressed, 0 to 9; the pixels are the same. None is a good compromise."""
    compression: Compression | None = None
    """Of DDS and KTX2; None is what suits the map."""
    codec: Codec | None = None
    """Of the container `plugin`: the codec that writes it."""

    def __post_init__(self) -> None:
        if self.quality is not None:
            _check_option("quality", self.container, WITH_QUALITY, self.quality, range(1, MOST_QUALITY + 1))
        if self.effort is not None:
            _check_option("effort", self.container, WITH_EFFORT, self.effort, range(MOST_EFFORT + 1))

    @property
    def name(self) -> str:
        """The word that pipelines write and the options, such as `jpg quality 85`; equal for equal formats only."""
        if self.codec is not None:
            return self.codec.word
        plain = replace(self, quality=None, effort=None)
        if self.container in GPU:
            plain = replace(plain, depth=None)
        word = next((word for word, known in WORDS.items() if known == plain), self.container)
        options = {"quality": self.quality, "effort": self.effort}
        return " ".join([word, *(f"{option} {value}" for option, value in options.items() if value is not None)])

    @property
    def suffix(self) -> str:
        """The ending of file names."""
        return f".{self.container}" if self.codec is None else self.codec.suffix

    @property
    def holds_layers(self) -> bool:
        """Whether one file can hold several maps."""
        return self.container == "exr"

    @property
    def holds_alpha(self) -> bool:
        """Whether a file can hold alpha."""
        if self.codec is not None:
            return 4 in self.codec.channels
        return self.container not in ("jpg", "hdr") and self.compression not in ("bc1", "bc4", "bc5", "bc6h")

    @property
    def is_lossy(self) -> bool:
        """Whether the numbers of a file are only near those that were written, beyond their rounding."""
        if self.codec is not None:
            return not self.codec.lossless
        compressed = self.compression not in (None, "uncompressed")
        return self.container in ("jpg", "hdr") or self.quality is not None or compressed

    @property
    def is_linear(self) -> bool:
        """Whether color is stored as linear light: float files do, integer files are sRGB-encoded."""
        return self.container in ("hdr", "exr") or self.depth in ("half", "float")

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of optional packages that writing needs."""
        return _MODULES.get(self.compression or "uncompressed", ())

    def resolve(self, source: Depth | None, spec: MapSpec) -> Format:
        """Return the format with a depth: its own, else the least that holds all of the source's depth.

        A map that no source gave gets 8 bits, normals and heights 16, photographs float, as far as the container can.
        """
        if self.depth is not None:
            return self
        if self.container in GPU and self.compression is None:
            return replace(self, compression=_suited(spec, source)).resolve(source, spec)
        wanted = DEPTHS.index(source or _default_depth(spec))
        held = self.codec.depths if self.codec is not None else HOLDS[self.container]
        held = COMPRESSED.get(self.compression or "uncompressed", held)
        if self.container in GPU and self.compression == "uncompressed" and spec.is_color:
            held = tuple(depth for depth in held if depth != "16")  # GPUs have no such colors but linear ones
        enough = [depth for depth in held if DEPTHS.index(depth) >= wanted]
        # Half holds 11 bits: enough for color, whose eye-visible steps are relative, but not for 16-bit data.
        if wanted == DEPTHS.index("16") and not spec.is_color and "float" in enough:
            enough = [depth for depth in enough if depth != "half"]
        return replace(self, depth=enough[0] if enough else held[-1])


def unsuited(spec: MapSpec, output_format: Format) -> str:
    """Say why a format holds no map of this kind, whatever its pixels, and what does; "" where it can."""
    name = output_format.name
    if spec.kind == "id" and output_format.is_lossy:
        return f"{name} does not keep numbers exactly, as {spec.name} needs; write png, tiff or exr"
    if spec.kind == "vector" and output_format.container == "hdr":
        return f"{name} holds no negative numbers, as {spec.name} has; write exr"
    if output_format.codec is not None and not {spec.channels, spec.channels + 1} & {*output_format.codec.channels}:
        return f"{name} does not hold the {spec.channels} channels of {spec.name}; write png, tiff or exr"
    if output_format.compression is not None and (reason := _uncompressible(spec, output_format)):
        return reason
    if spec.channels not in (1, 3) and not output_format.holds_alpha and output_format.compression != "bc5":
        return f"{name} does not hold the {spec.channels} channels of {spec.name}; write 1 or 3"
    return ""


def _uncompressible(spec: MapSpec, output_format: Format) -> str:
    """Say why a compression for GPUs holds no map of this kind; "" where it does."""
    name, container, compression = output_format.name, output_format.container, output_format.compression
    if compression == "bc4" and spec.channels != 1:
        return f"{name} holds one channel, and {spec.name} has {spec.channels}; write {container}-bc7"
    if compression == "bc5" and spec.channels != 2 and (spec.kind != "vector" or spec.channels != 3):
        return f"{name} holds normals, or two channels, which {spec.name} has not; write {container}"
    if compression in ("bc1", "bc3", "bc6h", "bc7") and spec.channels < 3:
        return f"{name} holds colors, and {spec.name} has {spec.channels} channels; write {container}-bc4 or bc5"
    if compression == "bc6h" and spec.kind == "vector":
        return f"{name} holds no negative numbers, as {spec.name} has; write {container}-bc5"
    return ""


def _suited(spec: MapSpec, source: Depth | None) -> Compression:
    """Return the compression that suits a map: what most engines take for its kind.

    Heights are not compressed, as the ends of blocks, 8 bits, would show as steps in the relief.
    """
    if spec.kind == "id" or spec.name == "height":
        return "uncompressed"
    if spec.kind == "vector":
        return "bc5"
    if spec.is_color:
        return "bc6h" if (source or _default_depth(spec)) in ("half", "float") else "bc7"
    return {1: "bc4", 2: "bc5"}.get(spec.channels, "bc7")  # type: ignore[return-value]


def _check_option(option: str, container: str, known: tuple[str, ...], value: int, valid: range) -> None:
    if container not in known:
        raise ValueError(f"{container} has no {option}; {' and '.join(known)} have")
    if value not in valid:
        raise ValueError(f"{option} {value} of {container} does not exist; write {valid[0]} to {valid[-1]}")


def _default_depth(spec: MapSpec) -> Depth:
    if spec.kind == "photo":
        return "float"
    return "16" if spec.kind in ("vector", "id") or spec.name == "height" else "8"


WORDS: dict[str, Format] = {
    "png": Format("png"),
    "png8": Format("png", "8"),
    "png16": Format("png", "16"),
    "jpg": Format("jpg"),
    "webp": Format("webp"),
    "tga": Format("tga"),
    "tiff": Format("tiff"),
    "tiff8": Format("tiff", "8"),
    "tiff16": Format("tiff", "16"),
    "tiff32": Format("tiff", "float"),
    "hdr": Format("hdr"),
    "exr": Format("exr"),
    "exr16": Format("exr", "half"),
    "exr32": Format("exr", "float"),
    **{container: Format(container) for container in GPU},
    **{
        f"{container}-{compression}": Format(container, compression=compression)
        for container in GPU
        for compression in (*COMPRESSED, "uncompressed")
        if container == "ktx2" or compression not in MOBILE
    },
}
FORMATS: tuple[str, ...] = tuple(WORDS)


def parse(word: str) -> Format:
    """Return the format that a word names; raise ValueError where it names none."""
    if word not in WORDS:
        raise ValueError(f"unknown format {word!r}; {did_you_mean(word, WORDS)}")
    return WORDS[word]
