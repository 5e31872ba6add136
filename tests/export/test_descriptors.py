"""What describes exported files is what the programs read: checked by their own tools, and against files of theirs."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import types
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
import yaml
from conftest import ROOT
from export.conftest import NAME, SIDE, read

from assetforge.export.description import ALPHAS, Description, TextureFile
from assetforge.export.descriptors import DESCRIPTORS, describe
from assetforge.export.unreal import asset_name

VALIDATE = """
const validator = require("gltf-validator"), fs = require("fs"), path = require("path");
const file = process.argv[1], load = name => new Uint8Array(fs.readFileSync(name));
const beside = uri => Promise.resolve(load(path.join(path.dirname(file), decodeURIComponent(uri))));
const said = validator.validateBytes(load(file), {externalResourceFunction: beside});
said.then(report => console.log(JSON.stringify(report.issues)));
"""


def only(folder: Path, ending: str) -> Path:
    (file,) = folder.glob(f"*{ending}")
    return file


# glTF


def test_gltf_passes_the_validator_of_the_khronos_group(everything: Path) -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not there")
    places = {**os.environ, "NODE_PATH": os.pathsep.join([str(ROOT / "node_modules"), os.environ.get("NODE_PATH", "")])}
    if subprocess.run(
        [node, "-e", 'require("gltf-validator")'], env=places, capture_output=True, check=False
    ).returncode:
        pytest.skip("gltf-validator is not there: `npm install gltf-validator` in the project's folder")
    file = only(everything / "gltf", ".gltf")
    done = subprocess.run([node, "-e", VALIDATE, str(file)], env=places, capture_output=True, text=True, check=True)
    issues = json.loads(done.stdout)
    assert (issues["numErrors"], issues["numWarnings"]) == (0, 0), issues["messages"]


def test_gltf_holds_what_it_says(everything: Path) -> None:
    file = only(everything / "gltf", ".gltf")
    gltf = json.loads(file.read_text(encoding="utf-8"))
    (buffer,) = gltf["buffers"]
    content = base64.b64decode(buffer["uri"].partition(",")[2])
    assert len(content) == buffer["byteLength"]
    for accessor in gltf["accessors"]:
        view = gltf["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        form = {5126: "f", 5123: "H"}[accessor["componentType"]]
        numbers = struct.unpack_from(f"<{width * accessor['count']}{form}", content, view["byteOffset"])
        assert len(numbers) * struct.calcsize(form) == view["byteLength"]
        if "max" in accessor:
            assert list(numbers[0::3]) and max(numbers[0::3]) == accessor["max"][0]
    (material,) = gltf["materials"]
    assert (material["name"], material["alphaMode"]) == (NAME, "MASK")
    used = [unquote(image["uri"]) for image in gltf["images"]]
    assert {file.parent / name for name in used} == set(file.parent.glob("*.png"))
    packed = material["pbrMetallicRoughness"]["metallicRoughnessTexture"], material["occlusionTexture"]
    assert packed[0] == packed[1]
    anisotropy = material["extensions"]["KHR_materials_anisotropy"]
    assert used[anisotropy["anisotropyTexture"]["index"]] == f"{NAME}_anisotropy.png"


# MaterialX


def materialx_texts(file: Path) -> list[str]:
    """The text of a file, and what would be said of other materials: with alpha of each kind, told in both ways."""
    slots = tuple((slot, f"{slot}.png") for slot in DESCRIPTORS["materialx"].slots)
    files = tuple(TextureFile(name, is_color=True, is_normal=False) for _, name in slots)
    ways = (slots, tuple(one for one in slots if one[0] != "opacity"), slots[:1], ())
    abouts = [Description("materialx", "x", "build", files, filled) for filled in ways]
    others = [describe(about, alpha)["x.mtlx"] for about in abouts for alpha in ALPHAS]
    return [file.read_text(encoding="utf-8"), *others]


def test_materialx_validates_and_reads_back_with_its_own_library(everything: Path) -> None:
    mx = pytest.importorskip("MaterialX", reason="the package MaterialX is not there: pip install MaterialX")
    library = mx.createDocument()
    mx.loadLibraries(mx.getDefaultDataLibraryFolders(), mx.getDefaultDataSearchPath(), library)
    file = only(everything / "materialx", ".mtlx")
    for text in materialx_texts(file):
        document = mx.createDocument()
        mx.readFromXmlString(document, text)
        document.setDataLibrary(library)
        right, message = document.validate()
        assert right, message
        kinds = [mx.getShaderNodes(node)[0].getCategory() for node in document.getMaterialNodes()]
        assert kinds == ["gltf_pbr", "standard_surface"]
    document = mx.createDocument()
    mx.readFromXmlFile(document, str(file))
    (graph,) = document.getNodeGraphs()
    images = [image.getInput("file").getValueString() for image in graph.getNodes("image")]
    assert sorted(images) == sorted(path.name for path in file.parent.iterdir() if path != file)


def test_every_node_of_materialx_reads_one_that_is_there(everything: Path) -> None:
    for text in materialx_texts(only(everything / "materialx", ".mtlx")):
        root = ElementTree.fromstring(text.encode())
        (graph,) = root.iter("nodegraph")
        nodes = [str(node.get("name")) for node in [*graph, *root]]
        assert len(set(nodes)) == len(nodes)
        assert all(re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) for name in nodes)
        outputs = {one.get("name") for one in graph.iter("output")}
        for one in root.iter():
            assert one.get("nodename", nodes[0]) in nodes
            assert one.get("nodegraph", graph.get("name")) == graph.get("name")
            assert one.tag == "output" or one.get("output") is None or one.get("output") in outputs


def test_floats_of_light_are_not_taken_for_srgb(everything: Path) -> None:
    root = ElementTree.fromstring(only(everything / "materialx", ".mtlx").read_bytes())
    spaces = {one.get("value"): one.get("colorspace") for one in root.iter("input") if one.get("type") == "filename"}
    assert spaces.pop(f"{NAME}_base_color.png") == "srgb_texture"
    assert set(spaces.values()) == {None}
    assert f"{NAME}_emission.exr" in spaces


# Godot: the keys of files that the editor has written (the TPS demo of the Godot Engine), with their types

GODOT_MATERIAL = {
    "resource_name": str, "transparency": int, "albedo_texture": "Texture2D", "orm_texture": "Texture2D",
    "metallic": float, "roughness": float, "emission_enabled": bool, "emission_texture": "Texture2D",
    "normal_enabled": bool, "normal_texture": "Texture2D", "ao_enabled": bool, "heightmap_enabled": bool,
    "heightmap_texture": "Texture2D",
}  # fmt: skip
GODOT_IMPORT = {
    "compress/mode": int, "compress/high_quality": bool, "compress/lossy_quality": float,
    "compress/hdr_compression": int, "compress/normal_map": int, "compress/channel_pack": int,
    "mipmaps/generate": bool, "mipmaps/limit": int, "roughness/mode": int, "roughness/src_normal": str,
    "process/fix_alpha_border": bool, "process/premult_alpha": bool, "process/normal_map_invert_y": bool,
    "process/hdr_as_srgb": bool, "process/hdr_clamp_exposure": bool, "process/size_limit": int,
    "detect_3d/compress_to": int,
}  # fmt: skip


def test_godots_material_has_properties_that_it_knows_and_files_that_are_there(everything: Path) -> None:
    file = only(everything / "godot", ".tres")
    head, _, body = file.read_text(encoding="utf-8").partition("[resource]\n")
    listed = re.findall(r'\[ext_resource type="Texture2D" path=(".*") id="(\d+)"\]', head)
    resources = {number: json.loads(path) for path, number in listed}
    assert re.match(rf'\[gd_resource type="ORMMaterial3D" load_steps={len(resources) + 1} format=3\]\n', head)
    properties = dict(line.split(" = ", 1) for line in body.splitlines())
    used = set()
    for name, value in properties.items():
        kind = GODOT_MATERIAL[name]
        if kind == "Texture2D":
            number = re.fullmatch(r'ExtResource\("(\d+)"\)', value)
            assert number is not None
            used.add(resources[number.group(1)])
        else:
            assert type(json.loads(value)) is kind, name
    assert {file.parent / name for name in used} == set(file.parent.glob("*.png"))
    assert properties["transparency"] == "2"  # scissor


def test_godots_import_settings_are_its_own(everything: Path) -> None:
    for file in (everything / "godot").glob("*.png"):
        text = Path(f"{file}.import").read_text(encoding="utf-8")
        assert text.startswith('[remap]\n\nimporter="texture"\ntype="CompressedTexture2D"\n')
        params = dict(line.split("=", 1) for line in text.partition("[params]\n\n")[2].splitlines())
        assert all(type(json.loads(value)) is GODOT_IMPORT[name] for name, value in params.items())
        assert (params["compress/normal_map"] == "1") == ("normal" in file.name)


# Unity: the keys of files that the editor has written (Unity's own Graphics and Boat Attack projects), with their types

UNITY_IMPORTER = {
    "internalIDToNameTable": list, "externalObjects": dict, "serializedVersion": int, "mipmaps": dict, "bumpmap": dict,
    "isReadable": int, "streamingMipmaps": int, "grayScaleToAlpha": int, "maxTextureSize": int,
    "textureSettings": dict, "nPOTScale": int, "compressionQuality": int, "alphaUsage": int,
    "alphaIsTransparency": int, "textureType": int, "textureShape": int, "platformSettings": list,
    "userData": type(None), "assetBundleName": type(None), "assetBundleVariant": type(None),
}  # fmt: skip
UNITY_MIPMAPS = {
    "mipMapMode", "enableMipMap", "sRGBTexture", "linearTexture", "fadeOut", "borderMipMap", "mipMapsPreserveCoverage",
    "alphaTestReferenceValue", "mipMapFadeDistanceStart", "mipMapFadeDistanceEnd",
}  # fmt: skip
UNITY_MATERIAL = {
    "serializedVersion": int, "m_ObjectHideFlags": int, "m_CorrespondingSourceObject": dict, "m_PrefabInstance": dict,
    "m_PrefabAsset": dict, "m_Name": str, "m_Shader": dict, "m_ValidKeywords": list, "m_InvalidKeywords": list,
    "m_LightmapFlags": int, "m_EnableInstancingVariants": int, "m_DoubleSidedGI": int, "m_CustomRenderQueue": int,
    "stringTagMap": dict, "disabledShaderPasses": list, "m_SavedProperties": dict,
}  # fmt: skip
URP = """_BaseMap _BumpMap _MainTex _MetallicGlossMap _OcclusionMap _ParallaxMap _EmissionMap _AlphaClip _BumpScale
    _Cutoff _DstBlend _Metallic _OcclusionStrength _Parallax _Smoothness _SmoothnessTextureChannel _SrcBlend _Surface
    _WorkflowMode _ZWrite _BaseColor _Color _EmissionColor"""
HDRP = """_BaseColorMap _MainTex _MaskMap _NormalMap _HeightMap _EmissiveColorMap _AORemapMax _AORemapMin _Smoothness
    _AlbedoAffectEmissive _AlphaCutoffEnable _Cutoff _DisplacementMode _DstBlend _HeightAmplitude _HeightCenter
    _Metallic _NormalScale _SmoothnessRemapMax _SmoothnessRemapMin _SrcBlend _SurfaceType _ZWrite _BaseColor _Color
    _EmissiveColor"""
UNITY_PROPERTIES = {preset: set(text.split()) for preset, text in (("unity_urp", URP), ("unity_hdrp", HDRP))}
UNITY_KEYWORDS = {
    "unity_urp": ["_ALPHATEST_ON", "_EMISSION", "_METALLICSPECGLOSSMAP", "_NORMALMAP", "_OCCLUSIONMAP", "_PARALLAXMAP"],
    "unity_hdrp": [
        "_ALPHATEST_ON", "_EMISSIVE_COLOR_MAP", "_HEIGHTMAP", "_MASKMAP", "_NORMALMAP", "_NORMALMAP_TANGENT_SPACE"
    ],
}  # fmt: skip
SHADERS = {"unity_urp": "933532a4fcc9baf4fa0491de14d08ed7", "unity_hdrp": "6e4ae4064600d784cac1e41a9e6f2e59"}


def unity(text: str) -> dict[str, dict[str, object]]:
    """Read what Unity calls YAML: tags of its own, and each object with a number."""
    found = {}
    for part in re.split(r"^--- !u!\d+ &-?\d+\n", text, flags=re.MULTILINE)[1:]:
        found |= yaml.load(part, yaml.BaseLoader if "guid" not in part else yaml.SafeLoader)
    return found


@pytest.mark.parametrize("preset", ["unity_hdrp", "unity_urp"])
def test_unitys_material_has_keys_and_properties_that_it_knows(everything: Path, preset: str) -> None:
    file = only(everything / preset, ".mat")
    material = unity(file.read_text())["Material"]
    assert {name: type(value) for name, value in material.items()} == UNITY_MATERIAL
    assert material["m_Name"] == NAME
    assert material["m_Shader"] == {"fileID": 4800000, "guid": SHADERS[preset], "type": 3}
    assert sorted(material["m_ValidKeywords"]) == UNITY_KEYWORDS[preset]
    saved = material["m_SavedProperties"]
    textures = {name: value for one in saved["m_TexEnvs"] for name, value in one.items()}
    names = {*textures, *(name for kind in ("m_Floats", "m_Colors") for one in saved[kind] for name in one)}
    assert names <= UNITY_PROPERTIES[preset]
    guids = {yaml.safe_load(meta.read_text())["guid"] for meta in file.parent.glob("*.png.meta")}
    assert {one["m_Texture"]["guid"] for one in textures.values()} == guids
    assert len(guids) == 5


@pytest.mark.parametrize("preset", ["unity_hdrp", "unity_urp"])
def test_unity_is_told_whether_a_material_glows(preset: str) -> None:
    for filled, flags in (((("emission", "E.png"),), 2), ((), 4)):  # BakedEmissive, EmissiveIsBlack
        files = tuple(TextureFile(name, is_color=True, is_normal=False) for _, name in filled)
        text = describe(Description(preset, "x", "", files, filled), "opaque")["x.mat"]
        assert unity(text)["Material"]["m_LightmapFlags"] == flags


@pytest.mark.parametrize("preset", ["unity_hdrp", "unity_urp"])
def test_unitys_import_settings_are_its_own(everything: Path, preset: str) -> None:
    for file in (everything / preset).glob("*.png"):
        meta = yaml.safe_load(Path(f"{file}.meta").read_text())
        importer = meta["TextureImporter"]
        assert re.fullmatch("[0-9a-f]{32}", meta["guid"])
        assert {name: type(value) for name, value in importer.items()} == UNITY_IMPORTER
        assert importer["mipmaps"].keys() <= UNITY_MIPMAPS
        word = file.stem.rpartition("_")[2]
        assert importer["mipmaps"]["sRGBTexture"] == (word in ("BaseMap", "Emission"))
        assert importer["textureType"] == (word == "Normal")
        assert importer["alphaIsTransparency"] == (word in ("BaseMap", "Emission"))
    native = yaml.safe_load(Path(f"{only(everything / preset, '.mat')}.meta").read_text())
    assert native["NativeFormatImporter"]["mainObjectFileID"] == 2100000


# Unreal: the script runs in an editor that has these names and no others, as its Python API lists them

UNREAL = {
    "AssetToolsHelpers": {"get_asset_tools"},
    "AssetTools": {"import_asset_tasks", "create_asset"},
    "EditorAssetLibrary": {"does_asset_exist", "load_asset", "save_loaded_asset"},
    "MaterialEditingLibrary": {
        "create_material_expression", "connect_material_property", "delete_all_material_expressions",
        "recompile_material",
    },
    "TextureCompressionSettings": {"TC_DEFAULT", "TC_NORMALMAP", "TC_MASKS", "TC_DISPLACEMENTMAP"},
    "MaterialSamplerType": {"SAMPLERTYPE_COLOR", "SAMPLERTYPE_NORMAL", "SAMPLERTYPE_MASKS"},
    "BlendMode": {"BLEND_OPAQUE", "BLEND_MASKED", "BLEND_TRANSLUCENT"},
    "MaterialProperty": {
        "MP_BASE_COLOR", "MP_METALLIC", "MP_ROUGHNESS", "MP_NORMAL", "MP_EMISSIVE_COLOR", "MP_AMBIENT_OCCLUSION",
        "MP_OPACITY", "MP_OPACITY_MASK",
    },
}  # fmt: skip
UNREAL_PROPERTIES = {
    "AssetImportTask": {"filename", "destination_path", "destination_name", "automated", "replace_existing"},
    "Texture2D": {"srgb", "compression_settings", "flip_green_channel"},
    "Material": {"blend_mode"},
    "MaterialExpressionTextureSample": {"texture", "sampler_type"},
}


class Asset:
    def __init__(self, kind: str) -> None:
        self.kind, self.properties = kind, {}

    def set_editor_property(self, name: str, value: object) -> None:
        assert name in UNREAL_PROPERTIES[self.kind]
        self.properties[name] = value


def editor() -> tuple[types.ModuleType, dict[str, Asset], list[tuple[str, str, str]]]:
    """Return a module with the names above, the assets that it makes, and what it connects."""
    assets: dict[str, Asset] = {}
    links: list[tuple[str, str, str]] = []

    def import_tasks(tasks: list[Asset]) -> None:
        for task in tasks:
            told = task.properties
            assert Path(told["filename"]).is_file()
            assets[f"{told['destination_path']}/{told['destination_name']}"] = Asset("Texture2D")

    def create(name: str, folder: str, kind: type, factory: object) -> Asset:
        return assets.setdefault(f"{folder}/{name}", Asset("Material"))

    calls = {
        "import_asset_tasks": import_tasks,
        "create_asset": create,
        "does_asset_exist": lambda path: path in assets,
        "load_asset": lambda path: assets[path],
        "save_loaded_asset": lambda *_: True,
        "create_material_expression": lambda _, kind, *__: Asset(kind.__name__),
        "connect_material_property": lambda node, output, target: links.append(
            (next(name for name, one in assets.items() if one is node.properties["texture"]), output, target)
        ),
        "delete_all_material_expressions": lambda _: links.clear(),
        "recompile_material": lambda _: None,
    }
    module = types.ModuleType("unreal")
    for group, names in UNREAL.items():
        setattr(module, group, types.SimpleNamespace(**{name: calls.get(name, name) for name in names}))
    tools = module.AssetTools
    module.AssetToolsHelpers.get_asset_tools = lambda: tools
    module.AssetImportTask = lambda: Asset("AssetImportTask")
    for kind in ("Material", "MaterialFactoryNew", "MaterialExpressionTextureSample"):
        setattr(module, kind, type(kind, (), {}))
    return module, assets, links


def test_unreals_script_imports_what_is_there_as_it_must_be(everything: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = only(everything / "unreal", ".py")
    module, assets, links = editor()
    monkeypatch.setitem(sys.modules, "unreal", module)
    monkeypatch.setattr(sys, "argv", [str(file), "/Game/Walls"])
    for _ in range(2):  # the second time, all is there already
        exec(compile(file.read_text(), str(file), "exec"), {"__file__": str(file), "__name__": "__main__"})
    textures = {name: one.properties for name, one in assets.items() if one.kind == "Texture2D"}
    assert {name: (one["srgb"], one["compression_settings"]) for name, one in textures.items()} == {
        f"/Game/Walls/{asset_name(f'T_{NAME}_BC')}": (True, "TC_DEFAULT"),
        f"/Game/Walls/{asset_name(f'T_{NAME}_ORM')}": (False, "TC_MASKS"),
        f"/Game/Walls/{asset_name(f'T_{NAME}_N')}": (False, "TC_NORMALMAP"),
        f"/Game/Walls/{asset_name(f'T_{NAME}_E')}": (True, "TC_DEFAULT"),
        f"/Game/Walls/{asset_name(f'T_{NAME}_H')}": (False, "TC_DISPLACEMENTMAP"),
    }
    assert assets[f"/Game/Walls/M_{asset_name(NAME)}"].properties == {"blend_mode": "BLEND_MASKED"}
    assert sorted((path.rsplit("_", 2)[1], output, target) for path, output, target in links) == [
        ("BC", "A", "MP_OPACITY_MASK"),
        ("BC", "RGB", "MP_BASE_COLOR"),
        ("E", "RGB", "MP_EMISSIVE_COLOR"),
        ("N", "RGB", "MP_NORMAL"),
        ("ORM", "B", "MP_METALLIC"),
        ("ORM", "G", "MP_ROUGHNESS"),
        ("ORM", "R", "MP_AMBIENT_OCCLUSION"),
    ]


def test_names_in_unreal_are_of_ascii_and_no_two_scripts_share_one() -> None:
    assert asset_name("rust & dust-1_BC") == "rust___dust-1_BC"
    names = [asset_name(name) for name in ("T_石_BC", "T_木_BC", "T_é_BC", "T___BC")]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch("[A-Za-z0-9_-]+", name) for name in names)


def test_unreal_keeps_light_of_floats() -> None:
    light = (TextureFile("T_E.exr", is_color=False, is_normal=False),)
    (text,) = describe(Description("unreal", "x", "", light, (("emission", "T_E.exr"),)), "opaque").values()
    assert "'srgb': False" in text
    assert "TC_HDR" in text
    assert "SAMPLERTYPE_LINEAR_COLOR" in text


# Blender

IN_BLENDER = """
import bpy, runpy, sys
runpy.run_path(sys.argv[1], run_name="__main__")
tree = bpy.data.materials[-1].node_tree
for link in tree.links:
    image = getattr(link.from_node, "image", None)
    print("link", link.to_node.type, link.to_socket.name, image and image.colorspace_settings.name, sep="|")
"""


def test_blender_runs_the_script(everything: Path) -> None:
    file = only(everything / "blender", ".py")
    compile(file.read_text(), str(file), "exec")
    python = os.environ.get("BLENDER_PYTHON", sys.executable)
    if subprocess.run([python, "-c", "import bpy"], capture_output=True, check=False).returncode:
        pytest.skip("Blender's module bpy is not there; BLENDER_PYTHON may name a Python that has it")
    done = subprocess.run([python, "-c", IN_BLENDER, str(file)], capture_output=True, text=True, check=True)
    links = {line for line in done.stdout.splitlines() if line.startswith("link")}
    assert {
        "link|BSDF_PRINCIPLED|Base Color|sRGB",
        "link|BSDF_PRINCIPLED|Metallic|Non-Color",
        "link|BSDF_PRINCIPLED|Roughness|Non-Color",
        "link|BSDF_PRINCIPLED|Alpha|Non-Color",
        "link|BSDF_PRINCIPLED|Emission Color|Non-Color",
        "link|NORMAL_MAP|Color|Non-Color",
        "link|DISPLACEMENT|Height|Non-Color",
        "link|BSDF_PRINCIPLED|Normal|None",
    } <= links


# All


def texts_in(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in texts_in(inner)]
    return [text for inner in value for text in texts_in(inner)] if isinstance(value, list | tuple) else [str(value)]


@pytest.mark.parametrize("word", DESCRIPTORS)
def test_no_name_breaks_out_of_a_descriptor(word: str) -> None:
    name = "x\"\"\"'''\\\n&lt;{textures}#: import os 石😀"
    slots = tuple((slot, f"{name}_{index}.png") for index, slot in enumerate(DESCRIPTORS[word].slots))
    files = tuple(TextureFile(file, is_color=True, is_normal=False) for _, file in slots)
    for alpha in ALPHAS:
        made = describe(Description(word, name, f"build/{name}", files, slots), alpha)
        assert list(made) == DESCRIPTORS[word].names(Description(word, name, f"build/{name}", files, slots))
        for file, text in made.items():
            if file.endswith(".py"):
                tree = ast.parse(text)
                lines = {type(node) for node in tree.body}
                assert lines == {ast.Expr, ast.Import, ast.Assign, ast.FunctionDef}
                values = [ast.literal_eval(one.value) for one in tree.body if isinstance(one, ast.Assign)]
                assert slots[0][1] in texts_in(values)
            elif file.endswith(".mtlx"):
                read_back = ElementTree.fromstring(text.encode()).find(".//input[@type='filename']")
                assert read_back is not None
                assert read_back.get("value") == slots[0][1]
            elif file.endswith((".meta", ".mat")):
                read_back = unity(text) if file.endswith(".mat") else yaml.safe_load(text)
                assert file.endswith(".meta") or read_back["Material"]["m_Name"] == name
            elif file.endswith(".gltf"):
                assert json.loads(text)["materials"][0]["name"] == name
            elif file.endswith(".tres"):
                assert f"resource_name = {json.dumps(name, ensure_ascii=False)}\n" in text


def test_names_that_xml_does_not_hold_are_refused() -> None:
    file = TextureFile("bell\a_base_color.png", is_color=True, is_normal=False)
    with pytest.raises(ValueError, match=r"the character '.x07', which XML does not hold"):
        describe(Description("materialx", "bell\a", "", (file,), (("color", file.name),)), "opaque")


def test_pictures_of_all_presets_have_the_size_of_the_maps(everything: Path) -> None:
    sizes = {path.parent.name: read(path).shape[:2] for path in everything.rglob("*.png")}
    assert sizes.pop("unreal") == sizes.pop("unity_hdrp") == sizes.pop("unity_urp") == (64, 64)  # 48 → 64, 45° ↑
    assert set(sizes.values()) == {(SIDE, SIDE)}
