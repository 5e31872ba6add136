"""The daemon builds what arrives, however it arrives, once, and not before it is whole."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from commands import shared
from execute.conftest import executions, outputs, write_project
from watch.conftest import PATIENCE, Start, picture

FILES = int(os.environ.get("ASSETFORGE_DELIVERIES", "4"))
"""Files that are delivered in each way; 200 were, before this was published."""
KILLS = int(os.environ.get("ASSETFORGE_KILLS", "4"))

Delivery = Callable[[Path, Path, dict[str, bytes]], None]


def write_slowly(textures: Path, _: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        with (textures / name).open("wb") as file:
            for begin, end in pairwise(range(0, len(content) + 200, 200)):
                file.write(content[begin:end])
                file.flush()
                time.sleep(0.01)


def copy(textures: Path, elsewhere: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (elsewhere / name).write_bytes(content)
        shutil.copy2(elsewhere / name, textures / name)


def rename_inside(textures: Path, _: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (textures / f"{name}.tmp").write_bytes(content)
        (textures / f"{name}.tmp").rename(textures / name)


def rename_from_outside(textures: Path, elsewhere: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (elsewhere / name).write_bytes(content)
        (elsewhere / name).rename(textures / name)


def link(textures: Path, elsewhere: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (elsewhere / name).write_bytes(content)
        (textures / name).hardlink_to(elsewhere / name)


def move_a_folder(textures: Path, elsewhere: Path, files: dict[str, bytes]) -> None:
    (elsewhere / "moved").mkdir()
    for name, content in files.items():
        (elsewhere / "moved" / name).write_bytes(content)
    (elsewhere / "moved").rename(textures / "moved")


def unzip(textures: Path, elsewhere: Path, files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(elsewhere / "files.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    with zipfile.ZipFile(elsewhere / "files.zip") as archive:
        archive.extractall(textures / "deep" / "down")


WAYS: list[Delivery] = [write_slowly, copy, rename_inside, rename_from_outside, link, move_a_folder, unzip]


def deliver(project: Path, ways: list[Delivery]) -> int:
    """Deliver files in several ways at once; return how many."""
    threads = []
    for number, way in enumerate(ways):
        elsewhere = project / "elsewhere" / way.__name__
        elsewhere.mkdir(parents=True)
        files = {f"{way.__name__}{n:03}_d.png": picture(1000 * number + n) for n in range(FILES)}
        threads.append(threading.Thread(target=way, args=(project / "textures", elsewhere, files)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    return FILES * len(ways)


def use_subfolders(project: Path) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('"{name}_d.png"', '"**/{name}_d.png"'))


def outputs_of_a_run(project: Path, elsewhere: Path) -> dict[str, bytes]:
    """Return what `assetforge run` makes of the same sources."""
    shutil.copytree(project, elsewhere, ignore=shutil.ignore_patterns(".assetforge", "build", "elsewhere"))
    assert shared().run(elsewhere, "run", "pipeline.yaml").code == 0
    return outputs(elsewhere)


def test_seven_ways_of_delivery_are_all_noticed_and_built_once(project: Path, tmp_path: Path, watch: Start) -> None:
    use_subfolders(project)
    watcher = watch(project)
    watcher.wait_until_watching()
    count = deliver(project, WAYS)
    watcher.wait_for(lambda: watcher.states()["done"] == count)
    (project / "textures" / "last_d.png").write_bytes(picture(999_999))
    watcher.wait_until_idle(done=count + 1)  # events come in order: no late one of the others is left
    assert watcher.states() == {"done": count + 1}  # none early: a part of a file would have failed
    assert executions(project) == count + 1
    assert watcher.stop() == 0
    assert outputs(project) == outputs_of_a_run(project, tmp_path / "run")


def test_polling_notices_all_of_them_too(project: Path, watch: Start) -> None:
    use_subfolders(project)
    with (project / "pipeline.yaml").open("a") as file:
        file.write("watch: {polling: always}\n")
    watcher = watch(project)
    watcher.wait_until_watching()
    assert watcher.events("Watching")[0]["how"] == "polling"
    count = deliver(project, WAYS)
    watcher.wait_for(lambda: watcher.states()["done"] == count)
    assert executions(project) == count


def test_nothing_is_lost_where_the_system_loses_events(project: Path, watch: Start) -> None:
    queue = Path("/proc/sys/fs/inotify/max_queued_events")
    before = queue.read_text() if queue.exists() else ""
    try:
        queue.write_text("16")
    except OSError:
        pytest.skip("the size of the system's queue cannot be set here")
    try:
        watcher = watch(project)
        watcher.wait_until_watching()
        watcher.process.send_signal(signal.SIGSTOP)  # so that nobody empties the queue
        for n in range(100):
            (project / "textures" / f"a{n}_d.png").write_bytes(picture(n))
        watcher.process.send_signal(signal.SIGCONT)
        watcher.wait_for(lambda: watcher.states()["done"] == 100)
        assert any("overflow" in event["what"] for event in watcher.events("Trouble"))
        assert not any("b'" in event["what"] for event in watcher.events("Trouble"))
        assert executions(project) == 100
    finally:
        queue.write_text(before)


def test_a_group_waits_for_all_of_its_files(project: Path, watch: Start) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('_d.png"', '_d.png", roughness: "{name}_r.png"'))
    watcher = watch(project)
    watcher.wait_until_watching()
    (project / "textures" / "a_d.png").write_bytes(picture(1))
    watcher.wait_for(lambda: watcher.events("Waiting"))
    assert watcher.events("Waiting")[0]["missing"].endswith("a_r.png")
    assert not watcher.started()
    (project / "textures" / "a_r.png").write_bytes(picture(2, gray=True))
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    assert executions(project) == 1


def test_an_optional_file_that_arrives_in_the_same_moment_is_waited_for(project: Path, watch: Start) -> None:
    text = (project / "pipeline.yaml").read_text()
    (project / "pipeline.yaml").write_text(text.replace('_d.png"', '_d.png", roughness: "{name}_r.png?"'))
    watcher = watch(project)
    watcher.wait_until_watching()
    (project / "textures" / "a_d.png").write_bytes(picture(1))
    with (project / "textures" / "a_r.png").open("wb") as file:
        content = picture(2, gray=True)
        file.write(content[:-20])
        file.flush()
        time.sleep(1)
        file.write(content[-20:])
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    assert len(outputs(project)) == 2
    assert executions(project) == 1


def test_a_file_that_is_rewritten_while_its_job_runs_is_built_of_its_last_content(
    project: Path, tmp_path: Path, watch: Start
) -> None:
    plugin = project / "plugins" / "work.py"
    plugin.write_text(plugin.read_text().replace("    good =", "    time.sleep(1.5)\n    good ="))
    watcher = watch(project)
    watcher.wait_until_watching()
    for n in range(3):
        begun = executions(project)
        (project / "textures" / "a_d.png").write_bytes(picture(n))
        watcher.wait_for(lambda begun=begun: executions(project) > begun)  # type: ignore[misc]
    (project / "textures" / "a_d.png").write_bytes(picture(9))
    watcher.wait_for(lambda: watcher.states()["done"] >= 1)
    watcher.wait_for(lambda: outputs(project))
    expected = outputs_of_a_run(project, tmp_path / "run")
    watcher.wait_for(lambda: outputs(project) == expected)
    assert watcher.states()["failed"] == 0


def test_killed_at_random_moments_it_goes_on_without_loss(project: Path, tmp_path: Path, watch: Start) -> None:
    rng = random.Random(5)
    count = 0
    watcher = watch(project)
    for _ in range(KILLS):
        for _ in range(10):
            (project / "textures" / f"a{count:03}_d.png").write_bytes(picture(count))
            count += 1
        time.sleep(rng.uniform(0.1, 6))
        watcher.kill()
        watcher = watch(project)
    watcher.wait_until_watching()  # the last one killed may have done all
    watcher.wait_for(lambda: len(outputs(project)) == count)
    watcher.wait_until_idle()
    assert watcher.stop() == 0
    assert outputs(project) == outputs_of_a_run(project, tmp_path / "run")
    assert executions(project) <= count + 8 * KILLS  # what was under way is done again
    done = executions(project)
    watcher = watch(project, "--once")
    assert watcher.process.wait(60) == 0
    assert executions(project) == done


def test_a_root_that_goes_away_and_comes_back_costs_nothing(project: Path, watch: Start) -> None:
    for n in range(5):
        (project / "textures" / f"a{n}_d.png").write_bytes(picture(n))
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 5)
    before = outputs(project)
    (project / "textures").rename(project / "hidden")
    watcher.wait_for(lambda: watcher.events("SourcesAway"))
    began = watcher.cpu_seconds()
    time.sleep(4)
    assert watcher.cpu_seconds() - began < 1  # it waits, and does not ask all the time
    assert outputs(project) == before
    (project / "hidden").rename(project / "textures")
    watcher.wait_for(lambda: len(watcher.events("Watching")) == 2)
    (project / "textures" / "new_d.png").write_bytes(picture(99))
    watcher.wait_for(lambda: watcher.states()["done"] == 6)
    assert executions(project) == 6
    assert not watcher.events("OutputRemoved")
    assert before.items() <= outputs(project).items()


@pytest.mark.skipif(sys.platform != "linux" or os.getuid() != 0, reason="only root may mount")
def test_a_disk_that_is_unmounted_and_mounted_again_costs_nothing(project: Path, tmp_path: Path, watch: Start) -> None:
    disk, textures = tmp_path / "disk", project / "textures"
    disk.mkdir()
    for n in range(5):
        (disk / f"a{n}_d.png").write_bytes(picture(n))
    mount = ["mount", "--bind", str(disk), str(textures)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting is not possible here")
    try:
        watcher = watch(project)
        watcher.wait_for(lambda: watcher.states()["done"] == 5)
        before = outputs(project)
        subprocess.run(["umount", "--lazy", str(textures)], check=True)
        watcher.wait_for(lambda: watcher.status()["arriving_count"])  # it sees that they are not there,
        watcher.wait_until_idle()  # and that they stay away
        assert outputs(project) == before
        subprocess.run(mount, check=True)
        (disk / "new_d.png").write_bytes(picture(99))
        watcher.wait_for(lambda: watcher.states()["done"] == 6)
        assert executions(project) == 6
        assert not watcher.events("OutputRemoved")
    finally:
        watcher.kill()
        subprocess.run(["umount", "--lazy", str(textures)], check=False, capture_output=True)


def test_outputs_of_a_removed_source_are_removed_and_a_moved_one_is_not_computed_again(
    project: Path, watch: Start
) -> None:
    for name in "abc":
        (project / "textures" / f"{name}_d.png").write_bytes(picture(ord(name)))
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 3)
    (project / "textures" / "a_d.png").unlink()
    (project / "textures" / "b_d.png").rename(project / "textures" / "moved_d.png")
    watcher.wait_for(lambda: len(watcher.events("OutputRemoved")) == 2)
    watcher.wait_for(lambda: watcher.states()["done"] == 4)
    assert sorted(outputs(project)) == ["build/c/c_base_color.png", "build/moved/moved_base_color.png"]
    assert executions(project) == 3


def test_sources_that_change_while_no_daemon_runs_lose_nothing(tmp_path: Path, watch: Start) -> None:
    """Until they have settled, the next daemon knows neither that they are there nor that they are gone."""
    project = write_project(tmp_path / "project", "raise ValueError('bad')", assets=5)
    assert watch(project, "--once").process.wait(PATIENCE) == 1
    before, textures = executions(project), project / "textures"
    (textures / "a00_d.png").write_bytes(picture(1))
    (textures / "a01_d.png").touch()
    (textures / "a03_d.png").touch()  # which is quarantined
    (textures / "a04_d.png").unlink()
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    watcher.wait_until_idle()
    assert [Path(one["path"]).name for one in watcher.events("OutputRemoved")] == ["a04_base_color.png"]
    assert executions(project) == before + 1
    assert watcher.started() == {"a00": 1}
    assert "a03" in watcher.status()["failed"]


def test_changes_that_need_no_work_are_told_in_one_line(tmp_path: Path, watch: Start) -> None:
    project = write_project(tmp_path / "project", assets=3)
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 3)
    watcher.wait_until_idle(done=3)
    textures = project / "textures"
    for name in ("notes.txt", "a00_d.png", "a01_d.png"):
        before = (textures / name).read_bytes() if (textures / name).exists() else b"of no asset"
        (textures / name).write_bytes(b"for a moment")
        (textures / name).write_bytes(before)
    watcher.wait_for(lambda: "seen" in watcher.said())
    (textures / "last_d.png").write_bytes(picture(9))
    watcher.wait_until_idle(done=4)
    assert [line for line in watcher.said().splitlines() if "seen" in line] == ["seen     a00, a01: nothing to do"]
    assert executions(project) == 4


def test_a_file_that_a_program_removes_to_save_it_keeps_its_outputs(project: Path, watch: Start) -> None:
    texture = project / "textures" / "a_d.png"
    texture.write_bytes(picture(1))
    watcher = watch(project)
    watcher.wait_for(lambda: watcher.states()["done"] == 1)
    texture.unlink()
    time.sleep(0.5)
    texture.write_bytes(picture(2))
    watcher.wait_for(lambda: watcher.states()["done"] == 2)
    assert not watcher.events("OutputRemoved")


def test_bad_files_are_named_and_stop_no_other(project: Path, watch: Start) -> None:
    watcher = watch(project)
    watcher.wait_until_watching()
    textures = project / "textures"
    (textures / "cut_d.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50) + b"IEND\xaeB`\x82")
    (textures / "lfs_d.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    (textures / "half_d.png.part").write_bytes(picture(1))
    (textures / ".hidden_d.png").write_bytes(picture(1))
    (textures / "good_d.png").write_bytes(picture(2))
    watcher.wait_for(lambda: watcher.states() == {"done": 1, "failed": 1})
    watcher.wait_for(lambda: watcher.events("Ignored"))
    assert "Git-LFS" in watcher.events("Ignored")[0]["why"]
    assert set(watcher.started()) == {"cut", "good"}
    (textures / "lfs_d.png").write_bytes(picture(3))
    (textures / "cut_d.png").write_bytes(picture(4))
    watcher.wait_for(lambda: watcher.states()["done"] == 3)
