#!/bin/sh
# Creates on a host what the files of this folder contain: configuration networks, published ports in both IP versions,
# and a network of each gateway mode.
#
#   script/fleet exec h1 -- sh -c "$(cat example.sh)"
set -eu

# At its start, the engine checks whether the host has IPv6, and publishes no port in IPv6 otherwise.
sysctl -qw net.ipv6.conf.all.disable_ipv6=0
systemctl restart docker

bridge() { # NAME OPTION...
    name=$1
    shift
    docker network create --opt "com.docker.network.bridge.name=br-$name" "$@" "$name"
}
docker network create --config-only --label of=cfg --opt com.docker.network.bridge.name=br-made \
    --subnet 10.77.4.0/24 cfg
docker network create --config-from cfg made
bridge dual --ipv6 --subnet 10.77.5.0/24 --subnet fd00:77:5::/64
bridge open --subnet 10.77.6.0/24 --opt com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected
bridge routed --subnet 10.77.7.0/24 --opt com.docker.network.bridge.gateway_mode_ipv4=routed
bridge closed --internal --subnet 10.77.8.0/24
bridge apart --subnet 10.77.9.0/24 --opt com.docker.network.bridge.enable_icc=false

image=fleetnet/workload:latest
docker run -d --name both --network dual -p 8080:80 -p 127.0.0.1:8090:80 -p 5353:53/udp $image
docker run -d --name free --network open -p 8081:80 $image
docker run -d --name direct --network routed -p 8082:80 $image
docker run -d --name quiet --network closed $image
docker run -d --name alone --network apart $image
docker run -d --name published -p 8083:80 $image
docker run -d --name derived --network made $image
