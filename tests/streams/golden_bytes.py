"""What those events were ever published as."""

JSON = {
    "bar": (
        b'{"type":"bar","symbol":"BRK.B","interval":"1d","ts":1700000000000000000,"open":10.0,"'
        b'high":12.5,"low":9.75,"close":11.0,"volume":1000.0}'
    ),
    "bars": (
        b'{"type":"bars","symbols":["A","B"],"interval":"1h","ts":"AAAAAAAAAAA=","open":"AQEBAQ'
        b'EBAQE=","high":"AgICAgICAgI=","low":"AwMDAwMDAwM=","close":"BAQEBAQEBAQ=","volume":"/'
        b'/////////8="}'
    ),
    "reset": (b'{"type":"reset","symbol":"A","ts":1700000000000000000,"reason":"split 4:1"}'),
    "signal": (
        b'{"type":"signal","signal_id":"s-1","strategy":"rsi2","symbol":"BRK.B","interval":"1d"'
        b',"ts":1700000000000000000,"side":-1,"score":0.75,"price":10.5,"stop":11.25,"features"'
        b':{"gap":-0.5}}'
    ),
    "signal without stop": (
        b'{"type":"signal","signal_id":"s-2","strategy":"rsi2","symbol":"A","interval":"1d","ts'
        b'":1700000000000000000,"side":1,"score":0.5,"price":10.0,"stop":null,"features":{}}'
    ),
    "signals": (
        b'{"type":"signals","strategy":"rsi2","interval":"1d","signal_ids":["s-2"],"symbols":["'
        b'A"],"ts":"AAAAAAAAAAA=","side":"AQ==","score":"AAAAAAAAAAA=","price":"AAAAAAAAAAA=","'
        b'stop":"AAAAAAAAAAA="}'
    ),
    "scored": (
        b'{"type":"scored","signal_id":"s-1","strategy":"rsi2","symbol":"BRK.B","interval":"1d"'
        b',"ts":1700000000000000000,"side":-1,"score":0.75,"price":10.5,"stop":11.25,"features"'
        b':{"gap":-0.5},"probability":0.625,"final_score":0.7125,"accepted":true,"mode":"score_'
        b'enhancement","threshold":0.5,"weight":0.3,"model":"rsi2-0123456789ab","reasons":["exp'
        b'ired"],"inputs":"AADAfw==","features_digest":"abababab"}'
    ),
    "scored without model": (
        b'{"type":"scored","signal_id":"s-2","strategy":"rsi2","symbol":"A","interval":"1d","ts'
        b'":1700000000000000000,"side":1,"score":0.5,"price":10.0,"stop":null,"features":{},"pr'
        b'obability":null,"final_score":0.5,"accepted":false,"mode":"filter","threshold":0.5,"w'
        b'eight":0.3,"model":null,"reasons":[],"inputs":"","features_digest":""}'
    ),
    "trade": (
        b'{"type":"trade","signal_id":"s-1","entry_ts":1700000000000000000,"exit_ts":1700000000'
        b'000000001,"entry_price":10.5,"exit_price":9.5,"quantity":100.0,"pnl_net":99.5,"final"'
        b":true}"
    ),
    "outcome": (
        b'{"type":"outcome","signal_id":"s-1","strategy":"rsi2","symbol":"BRK.B","interval":"1d'
        b'","ts":1700000000000000000,"side":-1,"accepted":true,"entry_ts":1700000000000000001,"'
        b'exit_ts":1700000000000000002,"entry_price":10.5,"exit_price":9.5,"y_return":0.0952380'
        b'9523809523,"r_multiple":1.3,"y_pnl_gross":1.0,"y_pnl_net":0.975,"y_binary":1,"exit_re'
        b'ason":"signal","virtual":true,"probability":0.625,"model":"rsi2-0123456789ab","canary'
        b'":false}'
    ),
    "drift": (
        b'{"type":"drift","strategy":"rsi2","symbol":null,"level":"detected","channel":"ranking'
        b'","detector":"slope","statistic":25.5,"threshold":20.0,"outcomes_seen":240,"changepoi'
        b'nt_ts":1700000000000000000,"false_alarm_budget":0.01,"model":"rsi2-0123456789ab","ts"'
        b':1700000000000000001,"detail":"why"}'
    ),
    "retrain": (
        b'{"type":"retrain","request_id":"r-1","strategy":"rsi2","symbol":null,"reason":"drift:'
        b'slope","since_ts":1700000000000000000,"requested_by":"drift-monitor","ts":17000000000'
        b'00000001,"action":"retrain","model":""}'
    ),
    "deployment": (
        b'{"type":"deployment","strategy":"rsi2","symbol":null,"version":"rsi2-0123456789ab","d'
        b'igest":"abababab","effective_ts":1700000000000000000,"previous":null,"verdict":{"p":0'
        b'.03,"winner":"lightgbm"},"request_id":"r-1","share":1.0,"by":"","why":""}'
    ),
    "policy": (
        b'{"type":"policy","strategy":"rsi2","action":"block","by":"ops","why":"halt","effective_ts":0}'
    ),
    "expire": (b'{"type":"expire","strategy":"rsi2","symbol":"A","signal_id":"s-2"}'),
    "progress": (
        b'{"type":"progress","role":"scorer","shard":0,"event_ts":1700000000000000000,"seq":17'
        b',"shards":4,"input_seq":0}'
    ),
    "canary's outcome": (
        b'{"type":"outcome","signal_id":"s-1","strategy":"rsi2","symbol":"A","interval":"1d","t'
        b's":1700000000000000000,"side":1,"accepted":true,"entry_ts":1700000000000000001,"exit_'
        b'ts":1700000000000000002,"entry_price":10.0,"exit_price":11.0,"y_return":0.1,"r_multip'
        b'le":1.0,"y_pnl_gross":1.0,"y_pnl_net":1.0,"y_binary":1,"exit_reason":"target","virtua'
        b'l":true,"probability":0.5,"model":"rsi2-0123456789ab","canary":true}'
    ),
    "review": (
        b'{"type":"retrain","request_id":"r-2","strategy":"rsi2","symbol":"A","reason":"review"'
        b',"since_ts":1700000000000000000,"requested_by":"drift","ts":1700000000000000001,"acti'
        b'on":"review","model":"rsi2-01234567"}'
    ),
    "canary": (
        b'{"type":"deployment","strategy":"rsi2","symbol":null,"version":"rsi2-0123456789ab","d'
        b'igest":"abababab","effective_ts":1700000000000000000,"previous":null,"verdict":{},"re'
        b'quest_id":null,"share":0.25,"by":"ops","why":"try it"}'
    ),
    "audit": (
        b'{"type":"audit","strategy":"rsi2","symbol":null,"action":"pin","version":"rsi2-012345'
        b'6789ab","by":"ops","why":"holiday","ts":1700000000000000000,"detail":"was free"}'
    ),
}

MSGPACK = {
    "bar": (
        b"\x89\xa4type\xa3bar\xa6symbol\xa5BRK.B\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*"
        b"\x00\x00\xa4open\xcb@$\x00\x00\x00\x00\x00\x00\xa4high\xcb@)\x00\x00\x00\x00\x00\x00"
        b"\xa3low\xcb@#\x80\x00\x00\x00\x00\x00\xa5close\xcb@&\x00\x00\x00\x00\x00\x00\xa6volum"
        b"e\xcb@\x8f@\x00\x00\x00\x00\x00"
    ),
    "bars": (
        b"\x89\xa4type\xa4bars\xa7symbols\x92\xa1A\xa1B\xa8interval\xa21h\xa2ts\xc4\x08\x00\x00"
        b"\x00\x00\x00\x00\x00\x00\xa4open\xc4\x08\x01\x01\x01\x01\x01\x01\x01\x01\xa4high\xc4"
        b"\x08\x02\x02\x02\x02\x02\x02\x02\x02\xa3low\xc4\x08\x03\x03\x03\x03\x03\x03\x03\x03"
        b"\xa5close\xc4\x08\x04\x04\x04\x04\x04\x04\x04\x04\xa6volume\xc4\x08\xff\xff\xff\xff"
        b"\xff\xff\xff\xff"
    ),
    "reset": (
        b"\x84\xa4type\xa5reset\xa6symbol\xa1A\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa6reason"
        b"\xa9split 4:1"
    ),
    "signal": (
        b"\x8b\xa4type\xa6signal\xa9signal_id\xa3s-1\xa8strategy\xa4rsi2\xa6symbol\xa5BRK.B\xa8"
        b"interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\xff\xa5score\xcb?\xe8\x00"
        b"\x00\x00\x00\x00\x00\xa5price\xcb@%\x00\x00\x00\x00\x00\x00\xa4stop\xcb@&\x80\x00\x00"
        b"\x00\x00\x00\xa8features\x81\xa3gap\xcb\xbf\xe0\x00\x00\x00\x00\x00\x00"
    ),
    "signal without stop": (
        b"\x8b\xa4type\xa6signal\xa9signal_id\xa3s-2\xa8strategy\xa4rsi2\xa6symbol\xa1A\xa8inte"
        b"rval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\x01\xa5score\xcb?\xe0\x00\x00"
        b"\x00\x00\x00\x00\xa5price\xcb@$\x00\x00\x00\x00\x00\x00\xa4stop\xc0\xa8features\x80"
    ),
    "signals": (
        b"\x8a\xa4type\xa7signals\xa8strategy\xa4rsi2\xa8interval\xa21d\xaasignal_ids\x91\xa3s-"
        b"2\xa7symbols\x91\xa1A\xa2ts\xc4\x08\x00\x00\x00\x00\x00\x00\x00\x00\xa4side\xc4\x01"
        b"\x01\xa5score\xc4\x08\x00\x00\x00\x00\x00\x00\x00\x00\xa5price\xc4\x08\x00\x00\x00"
        b"\x00\x00\x00\x00\x00\xa4stop\xc4\x08\x00\x00\x00\x00\x00\x00\x00\x00"
    ),
    "scored": (
        b"\xde\x00\x15\xa4type\xa6scored\xa9signal_id\xa3s-1\xa8strategy\xa4rsi2\xa6symbol\xa5B"
        b"RK.B\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\xff\xa5score\xcb?"
        b"\xe8\x00\x00\x00\x00\x00\x00\xa5price\xcb@%\x00\x00\x00\x00\x00\x00\xa4stop\xcb@&\x80"
        b"\x00\x00\x00\x00\x00\xa8features\x81\xa3gap\xcb\xbf\xe0\x00\x00\x00\x00\x00\x00\xabpr"
        b"obability\xcb?\xe4\x00\x00\x00\x00\x00\x00\xabfinal_score\xcb?\xe6\xcc\xcc\xcc\xcc"
        b"\xcc\xcd\xa8accepted\xc3\xa4mode\xb1score_enhancement\xa9threshold\xcb?\xe0\x00\x00"
        b"\x00\x00\x00\x00\xa6weight\xcb?\xd3333333\xa5model\xb1rsi2-0123456789ab\xa7reasons"
        b"\x91\xa7expired\xa6inputs\xc4\x04\x00\x00\xc0\x7f\xaffeatures_digest\xa8abababab"
    ),
    "scored without model": (
        b"\xde\x00\x15\xa4type\xa6scored\xa9signal_id\xa3s-2\xa8strategy\xa4rsi2\xa6symbol\xa1A"
        b"\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\x01\xa5score\xcb?\xe0"
        b"\x00\x00\x00\x00\x00\x00\xa5price\xcb@$\x00\x00\x00\x00\x00\x00\xa4stop\xc0\xa8featur"
        b"es\x80\xabprobability\xc0\xabfinal_score\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa8accepted"
        b"\xc2\xa4mode\xa6filter\xa9threshold\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa6weight\xcb?"
        b"\xd3333333\xa5model\xc0\xa7reasons\x90\xa6inputs\xc4\x00\xaffeatures_digest\xa0"
    ),
    "trade": (
        b"\x89\xa4type\xa5trade\xa9signal_id\xa3s-1\xa8entry_ts\xcf\x17\x97\x9c\xfe6*\x00\x00"
        b"\xa7exit_ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xabentry_price\xcb@%\x00\x00\x00\x00\x00"
        b"\x00\xaaexit_price\xcb@#\x00\x00\x00\x00\x00\x00\xa8quantity\xcb@Y\x00\x00\x00\x00"
        b"\x00\x00\xa7pnl_net\xcb@X\xe0\x00\x00\x00\x00\x00\xa5final\xc3"
    ),
    "outcome": (
        b"\xde\x00\x16\xa4type\xa7outcome\xa9signal_id\xa3s-1\xa8strategy\xa4rsi2\xa6symbol\xa5"
        b"BRK.B\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\xff\xa8accepted"
        b"\xc3\xa8entry_ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa7exit_ts\xcf\x17\x97\x9c\xfe6*\x00"
        b"\x02\xabentry_price\xcb@%\x00\x00\x00\x00\x00\x00\xaaexit_price\xcb@#\x00\x00\x00\x00"
        b"\x00\x00\xa8y_return\xcb?\xb8a\x86\x18a\x86\x18\xaar_multiple\xcb?\xf4\xcc\xcc\xcc"
        b"\xcc\xcc\xcd\xaby_pnl_gross\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa9y_pnl_net\xcb?\xef333"
        b"333\xa8y_binary\x01\xabexit_reason\xa6signal\xa7virtual\xc3\xabprobability\xcb?\xe4"
        b"\x00\x00\x00\x00\x00\x00\xa5model\xb1rsi2-0123456789ab\xa6canary\xc2"
    ),
    "drift": (
        b"\x8e\xa4type\xa5drift\xa8strategy\xa4rsi2\xa6symbol\xc0\xa5level\xa8detected\xa7chann"
        b"el\xa7ranking\xa8detector\xa5slope\xa9statistic\xcb@9\x80\x00\x00\x00\x00\x00\xa9thre"
        b"shold\xcb@4\x00\x00\x00\x00\x00\x00\xadoutcomes_seen\xcc\xf0\xaechangepoint_ts\xcf"
        b"\x17\x97\x9c\xfe6*\x00\x00\xb2false_alarm_budget\xcb?\x84z\xe1G\xae\x14{\xa5model\xb1"
        b"rsi2-0123456789ab\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa6detail\xa3why"
    ),
    "retrain": (
        b"\x8a\xa4type\xa7retrain\xaarequest_id\xa3r-1\xa8strategy\xa4rsi2\xa6symbol\xc0\xa6rea"
        b"son\xabdrift:slope\xa8since_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xacrequested_by\xaddrift"
        b"-monitor\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa6action\xa7retrain\xa5model\xa0"
    ),
    "deployment": (
        b"\x8c\xa4type\xaadeployment\xa8strategy\xa4rsi2\xa6symbol\xc0\xa7version\xb1rsi2-01234"
        b"56789ab\xa6digest\xa8abababab\xaceffective_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa8previo"
        b"us\xc0\xa7verdict\x82\xa1p\xcb?\x9e\xb8Q\xeb\x85\x1e\xb8\xa6winner\xa8lightgbm\xaareq"
        b"uest_id\xa3r-1\xa5share\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa2by\xa0\xa3why\xa0"
    ),
    "policy": (
        b"\x86\xa4type\xa6policy\xa8strategy\xa4rsi2\xa6action\xa5block\xa2by\xa3ops\xa3why\xa4halt"
        b"\xaceffective_ts\x00"
    ),
    "expire": (b"\x84\xa4type\xa6expire\xa8strategy\xa4rsi2\xa6symbol\xa1A\xa9signal_id\xa3s-2"),
    "progress": (
        b"\x87\xa4type\xa8progress\xa4role\xa6scorer\xa5shard\x00\xa8event_ts\xcf\x17\x97\x9c"
        b"\xfe6*\x00\x00\xa3seq\x11\xa6shards\x04\xa9input_seq\x00"
    ),
    "canary's outcome": (
        b"\xde\x00\x16\xa4type\xa7outcome\xa9signal_id\xa3s-1\xa8strategy\xa4rsi2\xa6symbol\xa1"
        b"A\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\x01\xa8accepted\xc3"
        b"\xa8entry_ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa7exit_ts\xcf\x17\x97\x9c\xfe6*\x00\x02"
        b"\xabentry_price\xcb@$\x00\x00\x00\x00\x00\x00\xaaexit_price\xcb@&\x00\x00\x00\x00\x00"
        b"\x00\xa8y_return\xcb?\xb9\x99\x99\x99\x99\x99\x9a\xaar_multiple\xcb?\xf0\x00\x00\x00"
        b"\x00\x00\x00\xaby_pnl_gross\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa9y_pnl_net\xcb?\xf0"
        b"\x00\x00\x00\x00\x00\x00\xa8y_binary\x01\xabexit_reason\xa6target\xa7virtual\xc3\xabp"
        b"robability\xcb?\xe0\x00\x00\x00\x00\x00\x00\xa5model\xb1rsi2-0123456789ab\xa6canary"
        b"\xc3"
    ),
    "review": (
        b"\x8a\xa4type\xa7retrain\xaarequest_id\xa3r-2\xa8strategy\xa4rsi2\xa6symbol\xa1A\xa6re"
        b"ason\xa6review\xa8since_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xacrequested_by\xa5drift\xa2"
        b"ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa6action\xa6review\xa5model\xadrsi2-01234567"
    ),
    "canary": (
        b"\x8c\xa4type\xaadeployment\xa8strategy\xa4rsi2\xa6symbol\xc0\xa7version\xb1rsi2-01234"
        b"56789ab\xa6digest\xa8abababab\xaceffective_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa8previo"
        b"us\xc0\xa7verdict\x80\xaarequest_id\xc0\xa5share\xcb?\xd0\x00\x00\x00\x00\x00\x00\xa2"
        b"by\xa3ops\xa3why\xa6try it"
    ),
    "audit": (
        b"\x89\xa4type\xa5audit\xa8strategy\xa4rsi2\xa6symbol\xc0\xa6action\xa3pin\xa7version"
        b"\xb1rsi2-0123456789ab\xa2by\xa3ops\xa3why\xa7holiday\xa2ts\xcf\x17\x97\x9c\xfe6*\x00"
        b"\x00\xa6detail\xa8was free"
    ),
}


# What was written before these types had all their fields.
OLD = {
    "outcome": (
        (
            b'{"type":"outcome","signal_id":"s-1","strategy":"rsi2","symbol":"BRK.B","interval":"1d'
            b'","ts":1700000000000000000,"side":-1,"accepted":true,"entry_ts":1700000000000000001,"'
            b'exit_ts":1700000000000000002,"entry_price":10.5,"exit_price":9.5,"y_return":0.0952380'
            b'9523809523,"r_multiple":1.3,"y_pnl_gross":1.0,"y_pnl_net":0.975,"y_binary":1,"exit_re'
            b'ason":"signal","virtual":true,"probability":0.625,"model":"rsi2-0123456789ab"}'
        ),
        (
            b"\xde\x00\x15\xa4type\xa7outcome\xa9signal_id\xa3s-1\xa8strategy\xa4rsi2\xa6symbol\xa5"
            b"BRK.B\xa8interval\xa21d\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa4side\xff\xa8accepted"
            b"\xc3\xa8entry_ts\xcf\x17\x97\x9c\xfe6*\x00\x01\xa7exit_ts\xcf\x17\x97\x9c\xfe6*\x00"
            b"\x02\xabentry_price\xcb@%\x00\x00\x00\x00\x00\x00\xaaexit_price\xcb@#\x00\x00\x00\x00"
            b"\x00\x00\xa8y_return\xcb?\xb8a\x86\x18a\x86\x18\xaar_multiple\xcb?\xf4\xcc\xcc\xcc"
            b"\xcc\xcc\xcd\xaby_pnl_gross\xcb?\xf0\x00\x00\x00\x00\x00\x00\xa9y_pnl_net\xcb?\xef333"
            b"333\xa8y_binary\x01\xabexit_reason\xa6signal\xa7virtual\xc3\xabprobability\xcb?\xe4"
            b"\x00\x00\x00\x00\x00\x00\xa5model\xb1rsi2-0123456789ab"
        ),
    ),
    "retrain": (
        (
            b'{"type":"retrain","request_id":"r-1","strategy":"rsi2","symbol":null,"reason":"drift:'
            b'slope","since_ts":1700000000000000000,"requested_by":"drift-monitor","ts":17000000000'
            b"00000001}"
        ),
        (
            b"\x88\xa4type\xa7retrain\xaarequest_id\xa3r-1\xa8strategy\xa4rsi2\xa6symbol\xc0\xa6rea"
            b"son\xabdrift:slope\xa8since_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xacrequested_by\xaddrift"
            b"-monitor\xa2ts\xcf\x17\x97\x9c\xfe6*\x00\x01"
        ),
    ),
    "deployment": (
        (
            b'{"type":"deployment","strategy":"rsi2","symbol":null,"version":"rsi2-0123456789ab","d'
            b'igest":"abababab","effective_ts":1700000000000000000,"previous":null,"verdict":{"p":0'
            b'.03,"winner":"lightgbm"},"request_id":"r-1"}'
        ),
        (
            b"\x89\xa4type\xaadeployment\xa8strategy\xa4rsi2\xa6symbol\xc0\xa7version\xb1rsi2-01234"
            b"56789ab\xa6digest\xa8abababab\xaceffective_ts\xcf\x17\x97\x9c\xfe6*\x00\x00\xa8previo"
            b"us\xc0\xa7verdict\x82\xa1p\xcb?\x9e\xb8Q\xeb\x85\x1e\xb8\xa6winner\xa8lightgbm\xaareq"
            b"uest_id\xa3r-1"
        ),
    ),
}
