#!/bin/bash
A=`ps -C nginx --no-header |wc -l`
if [ $A -eq 0 ];then
    /usr/local/nginx/sbin/nginx          #重启nginx
    if [ `ps -C nginx --no-header |wc -l` -eq 0 ];then      #nginx重启失败, 则停掉keepalived
        killall keepalived
    fi
fi
