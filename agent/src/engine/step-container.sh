#!/bin/sh
# What cwltool calls in the place of docker: it runs one step with its image as the root file system, in namespaces of
# its own within the wall of the run.
#
#     step-container run [--volume=FROM:TO]… [--workdir=FOLDER] [--env=NAME=VALUE]… [--rm] IMAGE COMMAND…
#
# An image lies unpacked in $DAYBOOK_IMAGES/DIGEST/root; what it puts into the environment stands in the file env beside
# it. Its entry point is not used.
set -eu

give_up() {
    echo "step-container: $1" >&2
    exit 125
}

[ "${1-}" = run ] || give_up "only run is known, not ${1-nothing}"
shift

image=
for word in "$@"; do
    case $word in
    -*) ;;
    *)
        image=$word
        break
        ;;
    esac
done
folder=$DAYBOOK_IMAGES/${image##*sha256:}
[ -n "$image" ] && [ -d "$folder/root" ] || give_up "the run was not given the image $image"

# Each word is taken from the front, and what it becomes is put at the end.
left=$#
set -- "$@" --die-with-parent --clearenv
for entry in "$folder/root"/* "$folder/root"/.[!.]*; do
    name=/${entry##*/}
    case $name in
    /dev | /proc | /sys | /tmp) ;;
    *)
        if [ -L "$entry" ]; then
            set -- "$@" --symlink "$(readlink "$entry")" "$name"
        elif [ -e "$entry" ]; then
            set -- "$@" --ro-bind "$entry" "$name"
        fi
        ;;
    esac
done
# Steps find their inputs below /var/lib/cwl.
set -- "$@" --dev-bind /dev /dev --ro-bind /proc /proc --tmpfs /var/lib/cwl
while IFS= read -r line; do
    set -- "$@" --setenv "${line%%=*}" "${line#*=}"
done <"$folder/env"

is_option=yes
while [ "$left" -gt 0 ]; do
    word=$1
    shift
    left=$((left - 1))
    if [ $is_option = no ]; then
        set -- "$@" "$word"
        continue
    fi
    value=${word#--*=}
    case $word in
    --volume=*) set -- "$@" --bind "${value%%:*}" "${value#*:}" ;;
    --workdir=*) set -- "$@" --chdir "$value" ;;
    --env=*) set -- "$@" --setenv "${value%%=*}" "${value#*=}" ;;
    --rm) ;;
    -*) give_up "the option $word is not known" ;;
    *)
        is_option=no
        set -- "$@" --remount-ro /var/lib/cwl --remount-ro / --
        ;;
    esac
done
exec bwrap "$@"
