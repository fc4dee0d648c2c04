#!/bin/sh
# What the bastion runs on a target to learn how it is. It only reads, and prints lines `key=value` between two
# markers.
#
# It travels as one word in single quotes and on one line, for whatever the login shell is (csh cannot quote a
# newline, fish and csh give backslash and exclamation mark a meaning even there). So, besides comments: every
# statement ends in a semicolon, and there is no single quote, no exclamation mark, and no backslash but to continue
# a line. Text that others can name, such as mount points, goes through sed and never through echo, which in some
# shells would interpret it.

exec 2>/dev/null;
PATH=$PATH:/usr/bin:/bin:/usr/sbin:/sbin;
LC_ALL=C;
export PATH LC_ALL;
marker=$1;

# Whatever a startup file printed before ends here. The marker stands alone on its line, so that an account which
# merely repeats the command that it was given does not pass for one that ran it.
echo;
echo "opspilot-begin-$marker";

sed -n "s/^PRETTY_NAME=/distribution=/p" /etc/os-release;
uname=$(uname -s -r -m);
echo "uname=$uname";
date "+clock=%s %z";
echo "cpus=$(getconf _NPROCESSORS_ONLN || nproc || sysctl -n hw.ncpu)";
command -v who >/dev/null && echo "users=$(who | wc -l)";

# Local file systems where df can tell them apart: a dead network mount would hold it up.
df -P -k -l / >/dev/null && only_local=yes;

case $uname in
"Linux "*)
    read -r seconds _ </proc/uptime;
    echo "uptime=$seconds";
    read -r one five fifteen _ </proc/loadavg;
    echo "load=$one $five $fifteen";
    sed -n -e "s/^MemTotal:/memory_total=/p" -e "s/^MemAvailable:/memory_available=/p" \
        -e "s/^SwapTotal:/swap_total=/p" -e "s/^SwapFree:/swap_free=/p" /proc/meminfo;
    set -- /proc/[0-9]*;
    echo "processes=$#";
    df -P -i ${only_local:+-l} | sed "s/^/inode=/";
    ;;
*)
    command -v sw_vers >/dev/null && sw_vers | sed "s/^/sw_vers=/";
    sysctl kern.boottime vm.loadavg hw.memsize hw.physmem64 hw.physmem hw.pagesize vm.swapusage \
        vm.stats.vm.v_free_count vm.stats.vm.v_inactive_count | sed "s/^/sysctl=/";
    { vm_stat || vmstat -s; } | sed -n "/page/s/^/vm=/p";
    { swapinfo -k || swapctl -s; } | sed "s/^/swap=/";
    echo "processes=$(ps -A -o pid= | wc -l)";
    df -k -i ${only_local:+-l} | sed "s/^/bsd_inode=/";
    ;;
esac;

df -P -k ${only_local:+-l} | sed "s/^/disk=/";

# The full stop says that the list is whole.
if [ -d /run/systemd/system ]; then
    { systemctl list-units --failed --plain --no-legend --no-pager && echo .; } | sed "s/^/unit=/";
else
    echo "systemd=no";
fi;
echo "opspilot-end-$marker";
