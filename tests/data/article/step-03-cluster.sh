aws ecs --region $REGION create-cluster \
--cluster-name $CLUSTER_NAME \
--service-connect-defaults '{
"namespace": "az-aware-routing-ec2-ns"
}'
