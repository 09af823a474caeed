#!/bin/sh
# Creates on a host what the goldens of this folder contain: networks, containers and routes of each kind.
#
#   script/fleet exec h1 -- sh -c "$(cat example.sh)"
set -eu

docker network create --label io.fleetnet.managed=true --opt com.docker.network.bridge.name=br-web \
    --subnet 10.77.52.0/24 --gateway 10.77.52.1 web
docker network create db
docker network create --internal --ipv6 --subnet 10.78.3.0/24 --ip-range 10.78.3.128/25 \
    --aux-address printer=10.78.3.200 --subnet fd00:77:3::/64 six

image=fleetnet/workload:latest
docker run -d --name web1 --network web --network-alias front $image
docker network connect db web1
docker run -d --name web2 --network web $image
docker run -d --name side --network container:web1 $image
docker run -d --name a-side --network container:web1 $image
docker run -d --name plain $image
docker run -d --name lonely --network none $image
docker run -d --name hosty --network host $image
docker run -d --name six1 --network six $image

via=$(ip -4 route show default | cut -d' ' -f3)
ip route add 10.79.0.0/16 proto 213 metric 77 nexthop via "${via%.*}.254" nexthop via "${via%.*}.253"
ip route add unreachable 10.80.0.0/16 proto boot table 1000
