#!/bin/bash
# SPDX-License-Identifier: LGPL-3.0-or-later
# chainview dump: every sample against an independent reader of the same files, the forms, files that are never
# written over, the same bytes every time, nothing written to the images, hostile input in bounded time and memory.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../support/lib.sh"
case $CHAINVIEW in /*) ;; *) CHAINVIEW=$PWD/$CHAINVIEW ;; esac
SAMPLE=${CHAINVIEW%-ro}
schema=$here/../../packaging/schema/chainview.dump.json
check="$here/../support/dump_check.py"
export HOME="$work/home" LC_ALL=C.UTF-8
unset SOURCE_DATE_EPOCH
mkdir -p "$HOME"
cd "$work"
python=
python3 -c 'import jsonschema' 2>/dev/null && python=python3
[ -n "$python" ] || [ ! -x /usr/bin/python3 ] || ! /usr/bin/python3 -c 'import jsonschema' 2>/dev/null || python=/usr/bin/python3
if [ -z "$python" ]; then skip "all tests of dump" "no python3-jsonschema"; finish; fi

# Every recipe: 0, or 8 where something could not be looked at.
"$SAMPLE" sample --list | cut -d' ' -f1 >recipes
mkdir s m j
: >statuses
set --
n=0
while read -r name; do
	n=$((n + 1))
	"$SAMPLE" sample --recipe "$name" "s/$name" >/dev/null
	status=0
	timeout 300 "$CHAINVIEW" dump --json --refs=none --hash=sha256,sha1,md5 --maps "m/$name" "s/$name" >"j/$name" 2>err || status=$?
	echo "$name $status" >>statuses
	# With sanitizers all are dumped, too, but what the documents say is the same.
	if sanitized && [ $((n % 10)) -ne 0 ]; then continue; fi
	set -- "$@" "j/$name" "m/$name"
done <recipes
grep -vE ' (0|8)$' statuses >strange || true
verdict "every sample is dumped ($(wc -l <recipes) of them)" "$([ ! -s strange ] && [ "$n" -gt 100 ]; echo $?)"
cat strange
must "all bytes, digests, checksums, values, gaps and layouts of $(($# / 2)) of them are those of the files" "$python" "$check" "$schema" "$@"
tail -1 .out

# The same bytes: twice, and when the files were made in another order.
same() { "$CHAINVIEW" dump --json --reproducible --refs=none --maps "$1" s/demo 2>/dev/null >"$2" || true; }
sync -f .
same maps-1 one
sleep 1.1
same maps-1b two
must "the same document twice with --reproducible" cmp one two
must "and the same maps" diff -r maps-1 maps-1b
mkdir again
find s/demo -mindepth 1 | sort -r | while read -r f; do [ -d "$f" ] && mkdir -p "again/${f#s/demo/}"; done
(cd s/demo && find . ! -type d -links 1 | sort -r) | while read -r f; do cp -a "s/demo/$f" "again/$f"; done
(cd s/demo && find . ! -type d -links +1 | sort -r | tar -cf - -T -) | tar -xf - -C again
mv s/demo s/demo-old && mv again s/demo
# What a file takes on disk is said in findings, and is settled only once it is there.
sync -f .
same maps-2 three
must "the same document of a copy made in another order" cmp one three
(cd s && "$CHAINVIEW" dump --output=json --workers=1 --reproducible --refs=none --maps ../maps-3 "$PWD/demo") >four 2>/dev/null || true
must "and called in another way" cmp one four
verdict "without --reproducible the run is said" "$("$CHAINVIEW" dump --json s/healthy-vhd-tap | grep -q '"boot_id"'; echo $?)"
lacks "with it nothing of this machine is" '"(run|inode|sandbox|boot_id|atime)"' one
SOURCE_DATE_EPOCH=1700000000 "$CHAINVIEW" dump --json s/healthy-vhd-tap >out
has "SOURCE_DATE_EPOCH is the time of making" '"started":"2023-11-14T22:13:20.000Z","finished":"2023-11-14T22:13:20.000Z"' out
ends "a SOURCE_DATE_EPOCH that is none is refused" 16 env SOURCE_DATE_EPOCH=x "$CHAINVIEW" dump s/healthy-vhd-tap

# Forms.
for form in ndjson text dfxml bodyfile; do
	"$CHAINVIEW" dump --output=$form --hash=sha256,md5 --refs=none s/demo >"form.$form" 2>/dev/null || true
	verdict "$form says something" "$([ -s "form.$form" ]; echo $?)"
	lacks "$form has no control characters" "$(printf '[\001-\010\013-\037\177]')" "form.$form"
done
must "every line of ndjson is one object with a type" "$python" -c '
import json, sys
kinds = {json.loads(line)["type"] for line in open(sys.argv[1])}
assert kinds >= {"dump", "run", "assurance", "source", "image", "structure", "summary", "anomaly", "chain", "gap"}, kinds' form.ndjson
must "dfxml is well-formed" "$python" -c '
import sys, xml.etree.ElementTree as E
root = E.parse(sys.argv[1]).getroot()
n = "{http://www.forensicswiki.org/wiki/Category:Digital_Forensics_XML}"
assert root.tag == n + "dfxml" and root.findall(n + "diskimageobject") and root.iter(n + "byte_run")' form.dfxml
has "a body file line has eleven parts" '^[0-9a-f]{32}\|[^|]*\|[0-9]+\|r/[0-7]{4}\|[0-9]+\|[0-9]+\|[0-9]+\|[0-9]+\|[0-9]+\|[0-9]+\|[0-9]+$' form.bodyfile
has "text has fields with their places" '\+24 +4 +timestamp +[0-9]+ 20[0-9-]+T[0-9:]+Z  \[[0-9a-f]{8}\]' form.text
has "text says which footer counts" 'footer, primary, used, checksum [0-9a-f]{8} is right' form.text
for name in "$(printf 'a\033[31m\n<&">|\377.vhd')" "$(printf '\342\200\256x.vhd')"; do
	mkdir -p names && cp s/healthy-vhd-tap/base.vhd "names/$name"
done
for form in json ndjson text dfxml bodyfile; do
	"$CHAINVIEW" dump --output=$form --refs=none --note="$(printf 'n\033<x>')" names >"names.$form" 2>/dev/null || true
	lacks "$form: names with control bytes are safe" "$(printf '\033|\377|\342\200\256')" "names.$form"
done
must "dfxml with such names is well-formed" "$python" -c 'import sys, xml.etree.ElementTree as E; E.parse(sys.argv[1])' names.dfxml
must "json with such names agrees with the files" "$python" "$check" "$schema" names.json -

# Both views of a pending log, both orders of bytes.
name=$(grep -l '"view":"replayed"' j/* | head -1) || true
verdict "a pending VHDX log is shown as stored and as replayed (${name#j/})" "$([ -n "$name" ]; echo $?)"
has "numbers of VHD are big-endian" '"name":"checksum","offset":64,"length":4,"endian":"big"' j/healthy-vhd-tap
has "numbers of VHDX are little-endian" '"name":"sequence_number","offset":8,"length":8,"endian":"little"' j/healthy-vhdx
has "a damaged footer is shown with both checksums" '"checksum":\{"algorithm":"vhd","stored_hex":"[0-9a-f]{8}","computed_hex":"[0-9a-f]{8}","ok":false\}' j/vhd-footer-checksum
has "a killed footer is one" '"state":"killed"' j/vhd-footer-killed
has "anomalies have their code" '"code":"CV-VHD-0004","name":"vhd-footer-checksum","severity":"error"' j/vhd-footer-checksum
has "a parent by identity, by name and by time" '"by_uuid":\{"uuid":"[0-9a-f-]+","matches":true,"match":"i1"\},"by_path":\[\{"platform":"[^"]*".*"found":"file","match":"i1","matches":true.*"by_time":\{"epoch":[0-9]+,"utc":"[^"]*","zone":"spec","parent_mtime_epoch":[0-9]+,"matches":true\}' j/healthy-vhd-tap
has "a parent that is missing is one" '"status":"missing".*"candidates":\[' j/parent-missing
has "chains end where parents do" '"chains":\[.?\{"leaf":"i2","images":\["i2","i1"\],"complete":true\}' <(tr -d '\n' <j/healthy-vhd-tap)

# One image, its chain, only itself; the custody of the document.
"$CHAINVIEW" dump --json s/healthy-vhd-tap/leaf.vhd >out
verdict "an image comes with what it stands on" "$([ "$(grep -o '"id":"i[0-9]*"' out | wc -l)" -eq 2 ]; echo $?)"
"$CHAINVIEW" dump --json --only s/healthy-vhd-tap/leaf.vhd >out
verdict "but not with --only" "$([ "$(grep -o '"id":"i[0-9]*"' out | wc -l)" -eq 1 ]; echo $?)"
"$CHAINVIEW" dump --json --case 7/26 --evidence E1 --examiner 'A. B.' --note "it's" s/healthy-vhd-tap >out
has "case, evidence, examiner and note are copied" '"case":"7/26","evidence":"E1","examiner":"A. B.","note":"it'"'"'s"' out
has "the command line is as it was typed" '"argv":\[[^]]*"dump","--json","--case","7/26",[^]]*"s/healthy-vhd-tap"\]' out
ends "a new file is written" 0 "$CHAINVIEW" dump --json --file doc.json s/healthy-vhd-tap
must "with its sum beside it" sha256sum -c doc.json.sha256
cp doc.json before
ends "and never written over" 4 "$CHAINVIEW" dump --json --file doc.json s/healthy-vhd-tap
must "what was there stays" cmp doc.json before
rm doc.json
ends "nor is its sum" 4 "$CHAINVIEW" dump --json --file doc.json s/healthy-vhd-tap
verdict "and no document appears then" "$([ ! -e doc.json ]; echo $?)"
ends "maps are never written over" 4 "$CHAINVIEW" dump --json --maps maps-1 s/healthy-vhd-tap
ln -s "$work/elsewhere" link
ends "a link is not followed" 4 "$CHAINVIEW" dump --file link s/healthy-vhd-tap
ends "no argument is a usage error" 16 "$CHAINVIEW" dump
ends "an unknown form is one" 16 "$CHAINVIEW" dump --output=yaml s/demo
ends "an unknown sum is one" 16 "$CHAINVIEW" dump --hash=crc s/demo
ends "an image that is not there ends with 8" 8 "$CHAINVIEW" dump ./nothing.vhd
ends "a full disk ends with 8" 8 sh -c '"$0" dump --json s/healthy-vhd-tap >/dev/full' "$CHAINVIEW"

# An evidence image inside of a bigger file.
{ head -c 1048576 /dev/zero; cat s/healthy-vhd-tap/base.vhd; } >inside.img
"$CHAINVIEW" dump --json --hash=sha256 --offset=1M inside.img >out
must "an image at an offset has offsets of its own" grep -q '"image_offset_bytes":1048576' out
"$python" - out s/healthy-vhd-tap/base.vhd <<'P' && status=0 || status=1
import hashlib, json, sys
d = json.load(open(sys.argv[1]))
whole = open(sys.argv[2], "rb").read()
assert d["sources"][0]["hashes"]["sha256"] == hashlib.sha256(whole).hexdigest()
s = d["images"][0]["structures"][0]
assert hashlib.sha256(whole[s["offset"]:s["offset"] + s["length"]]).hexdigest() == s["sha256"]
P
verdict "and the sums are those of the image" $status

# Nothing is written to, and access times stay.
if command -v strace >/dev/null; then
	cp -a s/demo traced
	find traced -type f -exec touch -a -d 2001-01-01 {} +
	times() { find traced -type f -exec stat -c '%n %x %y %z %s' {} + | sort; }
	times >times-before
	ASAN_OPTIONS=detect_leaks=0 strace -f -yy -s 256 -o trace "$CHAINVIEW" dump --json --maps traced-maps traced >out 2>/dev/null || true
	lacks "no write-class call on an image" \
		"(pwrite64|pwritev2?|write|writev|ftruncate|truncate|fallocate|fchmod|fchown|utimensat|fsetxattr|rename[a-z0-9]*|unlink[a-z]*|link|linkat|symlink[a-z]*|chmod|fchmodat)\([0-9]*<$work/traced/" trace
	lacks "no image is opened for writing" "open(at|at2)?\(.*$work/traced/.*(O_WRONLY|O_RDWR|O_CREAT|O_TRUNC)" trace
	has "images are opened with O_NOATIME" "O_RDONLY.*O_NOATIME.*= [0-9]+<$work/traced/[^>]*\.vhd>" trace
	lacks "and never without" "open(at)?\(AT_FDCWD, \"/proc/self/fd/[0-9]+\", O_RDONLY[^)]*\) = [0-9]+<$work/traced/[^>]*\.(vhd|qcow2|vhdx|raw)>.*" \
		<(grep -v O_NOATIME trace)
	has "the document says so" '"opened":"O_RDONLY\|O_NOATIME\|O_CLOEXEC","write_syscalls_blocked":true,.*"sources_unchanged":true' out
	times >times-after
	must "all times are as before" diff times-before times-after
else
	skip "traces" "strace is not installed"
fi

# Hostile: absurd lengths, tables that point everywhere, in 2 s and 64 MiB.
mkdir hostile
if command -v qemu-img >/dev/null; then
	qemu-img create -q -f qcow2 -o cluster_size=512 hostile/sparse.qcow2 1M && truncate -s 200G hostile/sparse.qcow2
	qemu-img create -q -f qcow2 hostile/l1.qcow2 1T
	"$python" - hostile/l1.qcow2 <<'P'
import struct, sys
with open(sys.argv[1], "r+b") as f:                  # every L1 entry leads to the same table of the same cluster
    f.seek(36); n, = struct.unpack(">I", f.read(4)); off, = struct.unpack(">Q", f.read(8))
    f.truncate(1 << 20)
    f.seek(off); f.write(struct.pack(">Q", 1 << 63 | 0x80000) * n)
    f.seek(0x80000); f.write(struct.pack(">Q", 1 << 63 | 0x90000) * 8192)
P
fi
"$python" - hostile <<'P'
import struct, sys
def vhd(name, entries, block, fill):
    foot = bytearray(b"conectix" + struct.pack(">IIQIIIIQQHBBI", 2, 0x10000, 512, 0, 0x74617000, 0x10003, 0, 1 << 40, 1 << 40, 1, 4, 17, 3))
    foot += b"\0\0\0\0" + bytes(range(16)); foot += b"\0" * (512 - len(foot))
    head = bytearray(b"cxsparse" + struct.pack(">QQIII", 2**64 - 1, 1536, 0x10000, entries, block)); head += b"\0" * (1024 - len(head))
    for b, at in (foot, 64), (head, 36):
        b[at:at + 4] = struct.pack(">I", ~sum(b) & 0xffffffff)
    with open(f"{sys.argv[1]}/{name}", "wb") as f:
        f.write(foot + head)
        f.seek(1536); f.write(fill)
        f.truncate(1 << 36); f.seek((1 << 36) - 512); f.write(foot)
vhd("entries.vhd", 0xffffffff, 1 << 21, b"")
vhd("same.vhd", 1 << 19, 1 << 21, struct.pack(">I", 8192) * (1 << 19))
vhd("tiny.vhd", 1 << 22, 512, struct.pack(">I", 16384) * (1 << 20))
P
head -c 3000000 /dev/urandom >hostile/noise.vhd

# What could not be looked at is in the document, and nothing is said of what nobody saw.
as_nobody=
if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
	as_nobody="env HOME=$work setpriv --reuid=65534 --regid=65534 --clear-groups"
fi
mkdir -p shut/secret
cp s/healthy-vhd-tap/*.vhd shut/
cp shut/*.vhd shut/secret/
cp "$CHAINVIEW" "$work/chainview"
chmod 755 "$work" shut
chmod 0 shut/secret
for form in json ndjson text dfxml; do
	ends "a folder that may not be read sets the status ($form)" 8 \
		sh -c "$as_nobody '$work/chainview' dump --output=$form --refs=none '$PWD/shut' >shut.$form"
	has "and is named in the document" 'shut/secret.*Permission denied' <(tr -d '\n' <shut.$form)
done
must "that is valid" "$python" -c 'import json, sys, jsonschema
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(json.load(open(sys.argv[2])))' "$schema" shut.json
chmod 755 shut/secret
chmod 0 shut/*.vhd
$as_nobody "$work/chainview" dump --json --refs=none "$PWD/shut" >shut.json || true
must "a document with an image that may not be read is valid" "$python" -c 'import json, sys, jsonschema
d = json.load(open(sys.argv[2]))
jsonschema.Draft202012Validator(json.load(open(sys.argv[1]))).validate(d)
s = [s for s in d["sources"] if "secret" not in s["path"]["utf8"]]
assert s and not any("opened" in x or "size_bytes" in x for x in s), s
assert d["assurance"]["sources_unchanged"], d["assurance"]
assert not any("changed" in e["text"] for e in d["errors"]), d["errors"]' "$schema" shut.json
$as_nobody "$work/chainview" dump --output=bodyfile --refs=none "$PWD/shut" >shut.body || true
lacks "no line for a collector is made up" '\|0\|0\|0\|0\|0$|r/0000' shut.body
chmod 644 shut/*.vhd

# The tables of what lies beside an image are none of its business: one that cannot be gone through costs it nothing.
mkdir beside
cp s/healthy-vhd-tap/*.vhd beside/
set -- beside/*.vhd
dd if="$1" of=beside/bad.qcow2 bs=1 count=0 status=none
printf 'QFI\373\0\0\0\3' >beside/bad.qcow2
truncate -s 100000 beside/bad.qcow2
ends "an image beside a broken one is dumped" 0 "$CHAINVIEW" dump --json --refs=none --only "$1"
lacks "without a word of that" 'bad.qcow2' "$work/.out"
for image in hostile/*; do
	SECONDS=0
	peak=$(ASAN_OPTIONS=detect_leaks=0 "$python" - "$CHAINVIEW" "$image" <<'P'
import json, resource, subprocess, sys
p = subprocess.run([sys.argv[1], "dump", "--json", "--refs=none", "--only", sys.argv[2]], capture_output=True)
assert p.returncode in (0, 8), (p.returncode, p.stderr)
json.loads(p.stdout)
r = resource.getrusage(resource.RUSAGE_CHILDREN)
print(r.ru_maxrss, int((r.ru_utime + r.ru_stime) * 1000), len(p.stdout))
P
) && status=0 || status=1
	verdict "${image#hostile/} is dumped" "$status"
	read -r kib ms bytes <<<"$peak"
	if sanitized; then
		skip "bounds of ${image#hostile/}" "sanitizers take memory of their own"
	else
		verdict "${image#hostile/}: at most 64 MiB ($kib KiB) and 2 s of processor time ($ms ms)" \
			"$([ "$kib" -le 65536 ] && [ "$ms" -le 2000 ]; echo $?)"
		verdict "${image#hostile/}: a document of at most 8 MiB ($bytes B)" "$([ "$bytes" -le 8388608 ]; echo $?)"
	fi
done
finish
