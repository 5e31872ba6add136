// What the viewer uses of three.js. It is given by a global name, as the file must work as a classic script:
// a page that is opened from a file cannot import modules.
import {
  AmbientLight, BufferAttribute, BoxGeometry, Color, DataTexture, DirectionalLight, DoubleSide, FloatType, Group,
  HalfFloatType, LinearFilter, LinearMipmapLinearFilter, LinearSRGBColorSpace, Mesh, MeshBasicMaterial,
  MeshPhysicalMaterial, NearestFilter, NoToneMapping, ACESFilmicToneMapping, NeutralToneMapping, NoColorSpace,
  PerspectiveCamera, PlaneGeometry, PMREMGenerator, RedFormat, RepeatWrapping, RGBAFormat, Scene, SphereGeometry,
  SRGBColorSpace, Texture, UnsignedByteType, Vector2, Vector3, WebGLRenderer,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { RoomEnvironment } from "three/examples/jsm/environments/RoomEnvironment.js";

globalThis.assetforgeThree = {
  AmbientLight, BufferAttribute, BoxGeometry, Color, DataTexture, DirectionalLight, DoubleSide, FloatType, Group,
  HalfFloatType, LinearFilter, LinearMipmapLinearFilter, LinearSRGBColorSpace, Mesh, MeshBasicMaterial,
  MeshPhysicalMaterial, NearestFilter, NoToneMapping, ACESFilmicToneMapping, NeutralToneMapping, NoColorSpace,
  OrbitControls, PerspectiveCamera, PlaneGeometry, PMREMGenerator, RedFormat, RepeatWrapping, RGBAFormat,
  RoomEnvironment, Scene, SphereGeometry, SRGBColorSpace, Texture, UnsignedByteType, Vector2, Vector3, WebGLRenderer,
};
