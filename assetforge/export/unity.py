"""Unity: the material (`.mat`) for the Lit shader of a render pipeline, and the import settings of each file (`.meta`).

Unity knows files by the identifiers in their `.meta`; these are made of where a file is, so that they stay the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assetforge.codecs.packing import Part
from assetforge.export.description import Alpha, Description, Slot, TextureFile, identifier

SLOTS: Mapping[str, Slot] = {
    "color": (("rgb", Part("base_color")),),
    "mask": (
        ("r", Part("metalness")),
        ("g", Part("ambient_occlusion")),
        ("a", Part("roughness", invert=True)),
    ),
    "normal": (("rgb", Part("normal")),),
    "height": (("r", Part("height")),),
    "emission": (("rgb", Part("emission")),),
}
_MAIN_OBJECT = 2100000
_VERSION_OBJECT = 1100000
_TEXTURE = 2800000
_MOST = 16384
_PLAIN = re.compile(r"(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z_][A-Za-z0-9_]*|[0-9a-f]{32}|", re.IGNORECASE)
"""Text that YAML needs no quotes for; an identifier is text, even one of digits."""
_CUTOFF = 0.5
_LAST_OF_FOUR_DIGITS = 0xFFFF
_GLOWS, _BLACK = 2, 4
"""MaterialGlobalIlluminationFlags: BakedEmissive, EmissiveIsBlack. URP turns emission off where that of a material is
black, whatever its keywords say."""
_QUEUES: Mapping[Alpha, int] = {"opaque": -1, "mask": 2450, "blend": 3000}
"""When a material is drawn; -1 is when its shader says."""
_BLENDED = {"_SrcBlend": 5.0, "_DstBlend": 10.0, "_ZWrite": 0.0}
"""By alpha over what is there already: BlendMode.SrcAlpha, BlendMode.OneMinusSrcAlpha."""


@dataclass(frozen=True)
class _Shader:
    """The Lit shader of a render pipeline: its identifier, and its textures and keywords by slot."""

    guid: str
    textures: Mapping[str, tuple[str, ...]]
    keywords: Mapping[str, tuple[str, ...]]
    floats: Mapping[str, float]
    clip: str
    """The property that turns on clipping by alpha."""
    surface: str
    """The property that is 1 where a surface is transparent."""
    emission: str
    """The color that the emission is multiplied by."""
    version: tuple[str, int] | None = None
    """The script that keeps which version of the pipeline has written a material, and that version. The pipeline
    upgrades older materials, and those that have none."""


_HDRP = _Shader(
    "6e4ae4064600d784cac1e41a9e6f2e59",
    {
        "color": ("_BaseColorMap", "_MainTex"),
        "mask": ("_MaskMap",),
        "normal": ("_NormalMap",),
        "height": ("_HeightMap",),
        "emission": ("_EmissiveColorMap",),
    },
    {
        "mask": ("_MASKMAP",),
        "normal": ("_NORMALMAP", "_NORMALMAP_TANGENT_SPACE"),
        "height": ("_HEIGHTMAP",),
        "emission": ("_EMISSIVE_COLOR_MAP",),
    },
    {
        "_NormalScale": 1.0,
        "_AORemapMin": 0.0,
        "_AORemapMax": 1.0,
        "_SmoothnessRemapMin": 0.0,
        "_SmoothnessRemapMax": 1.0,
        "_HeightAmplitude": 0.02,
        "_HeightCenter": 0.5,
        "_DisplacementMode": 0.0,
        "_AlbedoAffectEmissive": 0.0,
    },
    "_AlphaCutoffEnable",
    "_SurfaceType",
    "_EmissiveColor",
)
_URP = _Shader(
    "933532a4fcc9baf4fa0491de14d08ed7",
    {
        "color": ("_BaseMap", "_MainTex"),
        "mask": ("_MetallicGlossMap", "_OcclusionMap"),
        "normal": ("_BumpMap",),
        "height": ("_ParallaxMap",),
        "emission": ("_EmissionMap",),
    },
    {
        "mask": ("_METALLICSPECGLOSSMAP", "_OCCLUSIONMAP"),
        "normal": ("_NORMALMAP",),
        "height": ("_PARALLAXMAP",),
        "emission": ("_EMISSION",),
    },
    {
        "_BumpScale": 1.0,
        "_OcclusionStrength": 1.0,
        "_Parallax": 0.02,
        "_SmoothnessTextureChannel": 0.0,
        "_WorkflowMode": 1.0,
    },
    "_AlphaClip",
    "_Surface",
    "_EmissionColor",
    ("d0353a89b1f911e48b9e16bdc9f2e058", 6),
)


def write_hdrp(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the `.mat` for HDRP, and each `.meta`, by name."""
    return _write(about, alpha, _HDRP)


def write_urp(about: Description, alpha: Alpha) -> dict[str, str]:
    """Return the `.mat` for URP, and each `.meta`, by name."""
    return _write(about, alpha, _URP)


def _write(about: Description, alpha: Alpha, shader: _Shader) -> dict[str, str]:
    material = f"{about.name}.mat"
    importers = {file.name: _texture_importer(file, about, alpha) for file in about.files}
    native = {"externalObjects": {}, "mainObjectFileID": _MAIN_OBJECT, **_USER}
    importers[material] = {"NativeFormatImporter": native}
    metas = {f"{name}.meta": _meta(about, name, importer) for name, importer in importers.items()}
    return {material: _material(about, alpha, shader), **metas}


_USER = {"userData": "", "assetBundleName": "", "assetBundleVariant": ""}


def _meta(about: Description, name: str, importer: Mapping[str, Any]) -> str:
    return _yaml({"fileFormatVersion": 2, "guid": _guid(about, name), **importer})


def _guid(about: Description, file: str) -> str:
    return identifier(about.folder, file)


def _texture_importer(file: TextureFile, about: Description, alpha: Alpha) -> dict[str, Any]:
    most = about.longest or _MOST
    shows_alpha = file.is_color and alpha != "opaque"
    mipmaps = {
        "mipMapMode": 0,
        "enableMipMap": 1,
        "sRGBTexture": int(file.is_color),
        "linearTexture": 0,
        "mipMapsPreserveCoverage": int(shows_alpha and alpha == "mask"),
        "alphaTestReferenceValue": _CUTOFF,
    }
    settings = {"serializedVersion": 2, "filterMode": 1, "aniso": 4, "mipBias": 0, "wrapU": 0, "wrapV": 0, "wrapW": 0}
    platform = {
        "serializedVersion": 3,
        "buildTarget": "DefaultTexturePlatform",
        "maxTextureSize": most,
        "resizeAlgorithm": 0,
        "textureFormat": -1,
        "textureCompression": 2,
        "compressionQuality": 50,
        "crunchedCompression": 0,
        "allowsAlphaSplitting": 0,
        "overridden": 0,
    }
    importer = {
        "internalIDToNameTable": [],
        "externalObjects": {},
        "serializedVersion": 11,
        "mipmaps": mipmaps,
        "bumpmap": {"convertToNormalMap": 0, "externalNormalMap": 0, "heightScale": 0.25, "normalMapFilter": 0},
        "isReadable": 0,
        "streamingMipmaps": 0,
        "grayScaleToAlpha": 0,
        "maxTextureSize": most,
        "textureSettings": settings,
        "nPOTScale": 1,
        "compressionQuality": 50,
        "alphaUsage": 1,
        "alphaIsTransparency": int(shows_alpha),
        "textureType": int(file.is_normal),
        "textureShape": 1,
        "platformSettings": [platform],
        **_USER,
    }
    return {"TextureImporter": importer}


def _material(about: Description, alpha: Alpha, shader: _Shader) -> str:
    slots = dict(about.filled)
    textures = {
        name: {"fileID": _TEXTURE, "guid": _guid(about, slots[slot]), "type": 3}
        for slot, names in shader.textures.items()
        if slot in slots
        for name in names
    }
    keywords = sorted(word for slot in slots for word in shader.keywords.get(slot, ()))
    keywords += {"opaque": [], "mask": ["_ALPHATEST_ON"], "blend": ["_SURFACE_TYPE_TRANSPARENT"]}[alpha]
    floats = {
        **shader.floats,
        **(_BLENDED if alpha == "blend" else {}),
        shader.surface: float(alpha == "blend"),
        "_Metallic": 1.0 if "mask" in slots else 0.0,
        "_Smoothness": 1.0 if "mask" in slots else 0.5,
        "_Cutoff": _CUTOFF,
        shader.clip: float(alpha == "mask"),
    }
    white = dict.fromkeys("rgba", 1)
    glow = white if "emission" in slots else {**dict.fromkeys("rgb", 0), "a": 1}
    placed = {"m_Scale": {"x": 1, "y": 1}, "m_Offset": {"x": 0, "y": 0}}
    saved = {
        "serializedVersion": 3,
        "m_TexEnvs": [{name: {"m_Texture": texture, **placed}} for name, texture in sorted(textures.items())],
        "m_Ints": [],
        "m_Floats": [{name: value} for name, value in sorted(floats.items())],
        "m_Colors": [{"_BaseColor": white}, {"_Color": white}, {shader.emission: glow}],
    }
    material = {
        "serializedVersion": 8,
        "m_ObjectHideFlags": 0,
        **_NO_PREFAB,
        "m_Name": about.name,
        "m_Shader": {"fileID": 4800000, "guid": shader.guid, "type": 3},
        "m_ValidKeywords": keywords,
        "m_InvalidKeywords": [],
        "m_LightmapFlags": _GLOWS if "emission" in slots else _BLACK,
        "m_EnableInstancingVariants": 0,
        "m_DoubleSidedGI": 0,
        "m_CustomRenderQueue": _QUEUES[alpha],
        "stringTagMap": {},
        "disabledShaderPasses": [],
        "m_SavedProperties": saved,
    }
    return "".join(
        [
            "%YAML 1.1\n%TAG !u! tag:unity3d.com,2011:\n",
            f"--- !u!21 &{_MAIN_OBJECT}\n",
            _yaml({"Material": material}),
            _version(*shader.version) if shader.version else "",
        ]
    )


_NO_PREFAB = {name: {"fileID": 0} for name in ("m_CorrespondingSourceObject", "m_PrefabInstance", "m_PrefabAsset")}


def _version(guid: str, version: int) -> str:
    kept = {
        "m_ObjectHideFlags": 11,
        **_NO_PREFAB,
        "m_GameObject": {"fileID": 0},
        "m_Enabled": 1,
        "m_EditorHideFlags": 0,
        "m_Script": {"fileID": 11500000, "guid": guid, "type": 3},
        "m_Name": "",
        "m_EditorClassIdentifier": "",
        "version": version,
    }
    return f"--- !u!114 &{_VERSION_OBJECT}\n" + _yaml({"MonoBehaviour": kept})


def _yaml(data: Mapping[str, Any], indent: str = "") -> str:
    """Write YAML as Unity does: lists at the indent of their key, small mappings in one line."""
    return "".join(f"{indent}{key}:{_value(value, indent)}" for key, value in data.items())


def _value(value: Any, indent: str) -> str:
    if isinstance(value, Mapping):
        if all(isinstance(inner, int | str) for inner in value.values()) and len(value) <= len("rgba"):
            return f" {{{', '.join(f'{key}: {inner}' for key, inner in value.items())}}}\n"
        return "\n" + _yaml(value, f"{indent}  ")
    if isinstance(value, list):
        return "\n" + "".join(_item(one, indent) for one in value) if value else " []\n"
    return f" {_scalar(value)}\n"


def _item(value: Any, indent: str) -> str:
    if not isinstance(value, Mapping):
        return f"{indent}- {_scalar(value)}\n"
    return f"{indent}- {_yaml(value, f'{indent}  ')[len(indent) + 2 :]}"


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) else _quoted(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _quoted(text: str) -> str:
    return f'"{"".join(map(_escaped, text))}"'


def _escaped(letter: str) -> str:
    """Escape a letter as JSON does, but for those that JSON writes as two halves, which YAML does not know."""
    return f"\\U{ord(letter):08X}" if ord(letter) > _LAST_OF_FOUR_DIGITS else json.dumps(letter)[1:-1]
